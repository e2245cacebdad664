// The keys of an item that hold for everything inside it: sync, freeze, when, recompute.
#include "writer.h"

namespace braid::dsl {
namespace {

/// `1, 2, 4 or 8`; of many only the small ones.
std::string divisors(int64_t number) {
  std::string list;
  for (int64_t d = 1, shown = 0; d <= number && shown < 8; ++d)
    if (number % d == 0) list += (shown++ ? ", " : "") + std::to_string(d);
  return list;
}

}  // namespace

std::optional<int> read_sync(const Env& env, const Node& node, int64_t replicas) {
  auto value = evaluate(env, node);
  if (!value) return {};
  if (*value == Attr("all")) return 0;
  if (*value == Attr("none")) return 1;
  if (!value->is<int64_t>()) {
    env.error("E0061", node.place,
              "sync is all, none or a group size, this is " + to_string(*value));
    return {};
  }
  int64_t group = value->as_int();
  if (group >= 1 && group <= replicas && replicas % group == 0) return int(group);
  env.error("E0061", node.place,
            "a sync group of " + std::to_string(group) + " does not divide the " +
                std::to_string(replicas) + " replicas")
      .help("groups are " + divisors(replicas));
  return {};
}

std::optional<Freeze> read_freeze(const Env& env, const Node& node) {
  auto value = evaluate(env, node);
  if (!value) return {};
  if (*value == Attr(true) || *value == Attr("all")) return Freeze::all;
  if (*value == Attr(false)) return Freeze::none;
  if (*value == Attr("params")) return Freeze::params;
  if (*value == Attr("stats")) return Freeze::stats;
  env.error("E0062", node.place,
            "freeze is true, false, params or stats, this is " + to_string(*value))
      .help("params keeps the weights, stats the running statistics, true both");
  return {};
}

namespace {

std::string read_when(const Env& env, const Node& node, const std::string& outer) {
  auto value = evaluate(env, node);
  if (!value) return outer;
  if (*value != Attr("train") && *value != Attr("eval")) {
    env.error("E0063", node.place, "when is train or eval, this is " + to_string(*value))
        .help("`if` takes true and false, and holds in both modes");
    return outer;
  }
  if (!outer.empty() && outer != value->as_text())
    env.error(
        "E0063", node.place,
        "this stands in a part that is used in " + outer + " only, so it would never be used");
  return value->as_text();
}

std::optional<bool> read_recompute(const Env& env, const Node& node) {
  auto value = evaluate(env, node);
  if (!value) return {};
  if (value->is<bool>()) return value->as_bool();
  env.error("E0285", node.place, "recompute is true or false, this is " + to_string(*value));
  return {};
}

}  // namespace

Inherited read_inherited(const Env& env, const Item& item, const Inherited& outer, int64_t replicas,
                         const std::string& segment) {
  Inherited own = outer;
  if (item.sync)
    if (auto sync = read_sync(env, *item.sync, replicas)) own.sync = sync;
  if (item.freeze)
    if (auto freeze = read_freeze(env, *item.freeze)) own.freeze = freeze;
  if (item.when) own.when = read_when(env, *item.when, outer.when);
  if (item.recompute)
    if (auto recompute = read_recompute(env, *item.recompute)) own.recompute = *recompute;
  if (!own.recompute || !outer.recompute) own.segment = own.recompute ? segment : "";
  return own;
}

}  // namespace braid::dsl
