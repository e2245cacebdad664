#include <braid/runtime/stages.h>

#include <algorithm>

namespace braid {
namespace {

// Of the same name and, for keys, type.
void replace_or_add(std::vector<StageDef>& defs, StageDef def, auto same_as) {
  if (def.name.empty() || !def.make)
    throw Error(Fault::usage, "E0450",
                "a callable was bound " +
                    std::string(def.name.empty() ? "without a name" : "that is empty"),
                def.mark);
  auto found = std::ranges::find_if(defs, same_as);
  if (found == defs.end())
    defs.push_back(std::move(def));
  else
    *found = std::move(def);
}

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

Mark Stages::call_site(const char* file, int line) {
  return {std::make_shared<const Source>(Source{file, ""}), line, 0};
}

Stages& Stages::add(StageDef def) {
  const auto kind = def.kind;
  const auto name = def.name;
  replace_or_add(defs_, std::move(def),
                 [&](auto& other) { return other.kind == kind && other.name == name; });
  return *this;
}

Stages& Stages::add_key(StageDef def) {
  const auto name = def.name;
  const ItemType* type = def.inputs.empty() ? nullptr : def.inputs.front().type;
  if (!type) throw Error(Fault::usage, "E0450", "a key takes one item", def.mark);
  replace_or_add(keys_, std::move(def), [&](auto& other) {
    return other.name == name && same(*other.inputs.front().type, *type);
  });
  return *this;
}

Stages& Stages::add(const Stages& other) {
  for (auto& def : other.defs_) add(def);
  for (auto& def : other.keys_) add_key(def);
  return *this;
}

const StageDef* Stages::find(StageKind kind, std::string_view name) const {
  auto found =
      std::ranges::find_if(defs_, [&](auto& def) { return def.kind == kind && def.name == name; });
  return found == defs_.end() ? nullptr : &*found;
}

const StageDef* Stages::find_key(std::string_view name, const ItemType& type) const {
  auto found = std::ranges::find_if(
      keys_, [&](auto& def) { return def.name == name && same(*def.inputs.front().type, type); });
  return found == keys_.end() ? nullptr : &*found;
}

std::vector<std::string> Stages::names(StageKind kind) const {
  std::vector<std::string> names;
  for (auto& def : defs_)
    if (def.kind == kind) names.push_back(def.name);
  return sorted(std::move(names));
}

std::vector<std::string> Stages::key_names() const {
  std::vector<std::string> names;
  for (auto& def : keys_) names.push_back(def.name);
  return sorted(std::move(names));
}

std::string_view to_string(StageKind kind) {
  switch (kind) {
    case StageKind::source:
      return "source";
    case StageKind::map:
      return "map";
    case StageKind::filter:
      return "filter";
    case StageKind::join:
      return "join";
    case StageKind::batch:
      return "batch";
    case StageKind::network:
      return "network";
    case StageKind::unbatch:
      return "unbatch";
    case StageKind::sink:
      return "sink";
  }
  return "?";
}

}  // namespace braid
