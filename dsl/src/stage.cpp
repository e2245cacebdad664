#include "stage.h"

#include <array>
#include <cmath>

namespace braid::dsl {
namespace {

using Kinds = unsigned;
constexpr Kinds of(StageKind kind) { return 1U << unsigned(kind); }

constexpr Kinds takers = of(StageKind::map) | of(StageKind::filter) | of(StageKind::join) |
                         of(StageKind::batch) | of(StageKind::network) | of(StageKind::unbatch) |
                         of(StageKind::sink);
constexpr Kinds callers =
    of(StageKind::source) | of(StageKind::map) | of(StageKind::filter) | of(StageKind::sink);
constexpr Kinds may_call = callers | of(StageKind::join);
constexpr Kinds side_by_side =
    of(StageKind::map) | of(StageKind::filter) | of(StageKind::network) | of(StageKind::sink);

/// Which kinds of stages have a key.
struct StageKey {
  const char* name;
  Kinds kinds;
  const char* owners;
};
constexpr std::array<StageKey, 13> stage_keys = {{
    {"from", takers, "all other stages"},
    {"call", may_call, "Source, Map, Filter, Join and Sink"},
    {"parallel", side_by_side, "Map, Filter, Network and Sink"},
    {"order", side_by_side, "Map, Filter, Network and Sink"},
    {"queue", takers, "all other stages"},
    {"overflow", takers, "all other stages"},
    {"by", of(StageKind::join), "Join"},
    {"max", of(StageKind::batch), "Batch"},
    {"wait_ms", of(StageKind::batch), "Batch"},
    {"model", of(StageKind::network), "Network"},
    {"weights", of(StageKind::network), "Network"},
    {"feed", of(StageKind::network), "Network"},
    {"outputs", of(StageKind::network), "Network"},
}};

std::string word(StageKind kind) { return std::string(stage_type(kind)); }

void refuse_keys_of_others(const Env& env, Keys& keys, StageKind kind) {
  for (const StageKey& key : stage_keys) {
    if (key.kinds & of(kind)) continue;
    const Member* member = keys.take_odd(key.name);
    if (!member) continue;
    auto& error = env.error(
        "E0071", member->place,
        "a " + word(kind) + " has no '" + member->key + "': that is a key of " + key.owners);
    if (member->key == "from") error.help("a stage that makes items of others is a Map");
    if (member->key == "call")
      error.help("a Map or a Filter before or behind this stage calls functions");
    if (kind == StageKind::source && (member->key == "queue" || member->key == "overflow"))
      error.help("items wait in front of the stages that take them: write it there");
  }
}

void read_words(const Env& env, Keys& keys, StageDecl& stage) {
  auto pick = [&](const char* key, std::vector<std::string> words) -> std::optional<std::string> {
    const Node* node = keys.take(key);
    auto text = node ? read_text_value(env, *node, key) : std::nullopt;
    if (!text) return {};
    for (auto& known : words)
      if (known == *text) return text;
    env.error("E0032", node->place,
              std::string(key) + " is " + listed(std::span(words).first(words.size() - 1)) +
                  " or " + words.back() + ", this is '" + *text + "'" + did_you_mean(*text, words));
    return {};
  };
  if (of(stage.kind) & side_by_side)
    if (auto order = pick("order", {"kept", "any"})) stage.ordered = *order == "kept";
  if (of(stage.kind) & takers)
    if (auto overflow = pick("overflow", {"block", "drop_oldest", "drop_newest"}))
      stage.overflow = *parse_overflow(*overflow);
}

void read_batching(const Env& env, Keys& keys, StageDecl& stage) {
  if (const Node* max = keys.require("max", "max: 16, the items of a full batch"))
    stage.max = read_integer(env, *max, "max", 1, largest_stage_batch).value_or(stage.max);
  const Node* wait = keys.take("wait_ms");
  auto wait_ms = wait ? read_number(env, *wait, "wait_ms") : std::nullopt;
  if (!wait_ms) return;
  if (*wait_ms >= 0 && *wait_ms <= longest_wait_ms)
    stage.wait_ms = *wait_ms;
  else
    env.error("E0033", wait->place,
              "wait_ms must be between 0 and " + to_string(Attr(longest_wait_ms)) + ", this is " +
                  to_string(Attr(*wait_ms)));
}

void read_network_keys(const Env& env, Keys& keys, StageDecl& stage) {
  for (auto [key, value] : {std::pair("model", &stage.model), std::pair("weights", &stage.weights)})
    if (const Node* path = keys.take(key)) *value = read_text_value(env, *path, key).value_or("");
  if (const Node* feed = keys.take("feed")) {
    if (!feed->is_map())
      env.error("E0032", feed->place,
                "feed is a mapping from inputs to fields of an item, this is " + kind_of(*feed))
          .help("feed: {image: pixels}");
    for (const Member& member : feed->members)
      if (auto field = read_text_value(env, member.value, "a field"))
        stage.feed[member.key] = std::move(*field);
  }
  if (const Node* outputs = keys.take("outputs"))
    stage.outputs = read_texts(env, *outputs, "outputs").value_or(std::vector<std::string>{});
}

}  // namespace

std::optional<StageKind> read_stage_kind(const Env& env, const Node& type) {
  auto text = read_text_value(env, type, "type");
  if (!text) return {};
  if (auto kind = parse_stage_type(*text)) return kind;
  std::vector<std::string> known;
  for (int kind = 0; kind <= int(StageKind::sink); ++kind) known.push_back(word(StageKind(kind)));
  env.error("E0070", type.place,
            "there is no kind of stage '" + *text + "'" + did_you_mean(*text, known))
      .help("there are " + listed(known) +
            "; layers stand in `layers`, and a Network stage runs them");
  return {};
}

void read_stage_keys(const Env& env, Keys& keys, StageDecl& stage) {
  const Kinds kind = of(stage.kind);
  refuse_keys_of_others(env, keys, stage.kind);
  const Node* call = kind & callers    ? keys.require("call", "call: and the name of a callable")
                     : kind & may_call ? keys.take("call")
                                       : nullptr;
  if (call) {
    stage.call = read_name(env, *call, "call").value_or("");
    stage.call_mark = env.mark(call->place);
  }
  if (kind & side_by_side)
    if (const Node* parallel = keys.take("parallel"))
      stage.parallel = read_integer(env, *parallel, "parallel", 0, most_parallel).value_or(1);
  if (kind & takers)
    if (const Node* queue = keys.take("queue"))
      stage.queue = read_integer(env, *queue, "queue", 1, longest_queue).value_or(stage.queue);
  read_words(env, keys, stage);
  if (stage.kind == StageKind::join)
    if (const Node* by = keys.take("by")) stage.by = read_name(env, *by, "by").value_or("");
  if (stage.kind == StageKind::batch) read_batching(env, keys, stage);
  if (stage.kind == StageKind::network) read_network_keys(env, keys, stage);
  if (!(kind & callers) && !call) return keys.finish();
  for (const Member* member : keys.rest())
    if (auto value = evaluate(env, member->value))
      stage.params.push_back({member->key, std::move(*value), env.mark(member->place)});
}

}  // namespace braid::dsl
