#include <braid/compiler/positions.h>

#include <algorithm>
#include <map>

#include <braid/core/error.h>
#include <braid/core/glob.h>

namespace braid {
namespace {

HookPoint point_at(const Position& at, int position, int spec) {
  return {.kind = HookKind::replicate,
          .spec = spec,
          .layer = at.path,
          .type = at.type,
          .position = position,
          .mark = at.mark};
}

// The functions that a Callback names.
std::vector<std::string> called_by(const LayerItem& item) {
  if (item.type != "Callback") return {};
  std::vector<std::string> names;
  for (const char* key : {"call", "backward"})
    if (const Attr* name = find(item.params, key); name && name->is<std::string>())
      names.push_back(name->as_text());  // another kind is refused where parameters are checked
  return names;
}

// `who` calls `name`.
[[noreturn]] void unbound(const std::string& who, const std::string& name, const Mark& mark,
                          HookKind kind, const std::vector<HookSpec>& specs) {
  std::vector<std::string> bound;
  for (auto& spec : specs)
    if (spec.kind == kind && !spec.called.empty()) bound.push_back(spec.called);
  const std::string list = listed(bound);
  throw Error(Fault::model, "E0423",
              who + " calls '" + name + "', and nothing is bound under that name" +
                  did_you_mean(name, bound),
              mark)
      .help((bound.empty() ? "no names are bound" : "bound: " + list) + "; in C++: hooks.bind(\"" +
            name + "\", function)");
}

// What was registered first, called or not; then layers that are no modules of their own.
std::vector<Position> in_order(const std::vector<Position>& written, const Model& model) {
  std::vector<Position> all = {written[0]};
  std::vector<bool> taken(written.size(), false);
  std::map<std::string, size_t> by_path;
  for (size_t i = 1; i < written.size(); ++i) by_path[written[i].path] = i;
  for (auto& path : model.traversal) {
    auto found = by_path.find(path);
    if (found != by_path.end()) taken[found->second] = true;
    all.push_back(found != by_path.end()
                      ? written[found->second]
                      : Position{.path = path, .type = "Module", .mark = model.mark});
  }
  for (size_t i = 1; i < written.size(); ++i)
    if (!taken[i]) all.push_back(written[i]);
  return all;
}

}  // namespace

std::string_view to_string(HookKind kind) {
  constexpr std::string_view names[] = {"on_replicate",     "on_forward", "on_backward",
                                        "on_stats",         "on_step",    "callback",
                                        "backward callback"};
  return names[size_t(kind)];
}

std::vector<Position> positions(const Model& model) {
  std::vector<Position> all = {{.path = "", .type = "Model", .mark = model.mark}};
  size_t next = 0;
  auto enter = [&](int layer) {
    for (; next < model.containers.size() && model.containers[next].first <= layer; ++next) {
      auto& c = model.containers[next];
      all.push_back({c.path, c.type, -1, c.on_replicate, c.mark});
    }
  };
  for (size_t i = 0; i < model.layers.size(); ++i) {
    enter(int(i));
    auto& item = model.layers[i];
    if (item.share < 0) all.push_back({item.path, item.type, int(i), item.on_replicate, item.mark});
  }
  enter(int(model.layers.size()));
  return model.traversal.empty() ? all : in_order(all, model);
}

bool matches(const HookSpec& spec, const std::string& path, const std::string& type) {
  if (!spec.called.empty()) return false;
  if (!spec.type.empty()) return glob(spec.type, type);
  return glob(spec.layer, path);
}

std::vector<HookPoint> replication_points(const Model& model, const std::vector<HookSpec>& specs) {
  std::vector<HookPoint> points;
  auto all = positions(model);
  for (size_t p = 0; p < all.size(); ++p) {
    bool answered = all[p].on_replicate.empty();
    for (size_t s = 0; s < specs.size(); ++s) {
      if (specs[s].kind != HookKind::replicate) continue;
      bool called = !specs[s].called.empty() && specs[s].called == all[p].on_replicate;
      if (called || matches(specs[s], all[p].path, all[p].type))
        points.push_back(point_at(all[p], int(p), int(s)));
      answered |= called;
    }
    if (!answered)
      unbound("layer '" + all[p].path + "': on_replicate", all[p].on_replicate, all[p].mark,
              HookKind::replicate, specs);
  }
  return points;
}

void check_callbacks(const Model& model, const std::vector<HookSpec>& specs) {
  for (auto& item : model.layers) {
    if (item.type != "Callback") continue;
    for (auto& name : called_by(item)) {
      bool answered = std::ranges::any_of(
          specs, [&](auto& spec) { return spec.kind == HookKind::forward && spec.called == name; });
      if (!answered)
        unbound("layer '" + item.path + "'", name, item.mark, HookKind::forward, specs);
    }
  }
}

void check_hooks(const Model& model, const std::vector<HookSpec>& specs) {
  auto all = positions(model);
  for (auto& spec : specs) {
    if (spec.kind == HookKind::step) continue;
    std::vector<std::string> known;
    bool found = false;
    const bool callback = spec.kind == HookKind::forward && !spec.called.empty();
    if (callback)
      for (auto& item : model.layers)
        for (auto& name : called_by(item)) {
          known.push_back(name);
          found |= name == spec.called;
        }
    for (auto& at : callback ? std::vector<Position>{} : all) {
      bool layer = at.layer >= 0;
      if (!layer && spec.kind != HookKind::replicate) continue;
      if (!spec.called.empty()) {
        found |= spec.called == at.on_replicate;
        if (!at.on_replicate.empty()) known.push_back(at.on_replicate);
      } else {
        found |= matches(spec, at.path, at.type);
        known.push_back(spec.type.empty() ? at.path : at.type);
      }
    }
    for (auto& item : model.layers)  // a second call is no position, and yet a layer
      found |= item.share >= 0 && spec.kind != HookKind::replicate &&
               matches(spec, item.path, item.type);
    if (found) continue;
    const std::string& wanted = !spec.called.empty() ? spec.called
                                : spec.type.empty()  ? spec.layer
                                                     : spec.type;
    std::string what = !spec.called.empty() ? "the model calls nothing named '"
                       : spec.type.empty()  ? "the model has no layer '"
                                            : "the model has no layer of type '";
    throw Error(Fault::usage, "E0424",
                "hook " + std::string(to_string(spec.kind)) + " '" + spec.name + "': " + what +
                    wanted + "'" + did_you_mean(wanted, known),
                spec.mark);
  }
}

}  // namespace braid
