// `pipeline:`: its stages in the order of the file, and what each takes.
#include <unordered_map>

#include "loop.h"
#include "sections.h"
#include "stage.h"

namespace braid::dsl {
namespace {

constexpr const char* an_entry = "- {name: shrink, type: Map, call: resize, size: [28, 28]}";

/// What a name stands for; index -1: not known, because of an error that has been reported.
struct Given {
  int index = -1;
  Place place = {};
};

class Stages {
 public:
  Stages(PipelineDecl& pipeline, const Node& list) : pipeline_(pipeline), list_(list) {}

  void read(const Env& env) {
    for (const Node& node : list_.items) entry(env, node);
  }

 private:
  void entry(const Env& env, const Node& node) {
    env.reading.spend(node.place, env.via, Limits::item_values);
    if (node.is_scalar()) {  // `- Network`
      Node map;
      map.kind = Node::Kind::map;
      map.place = node.place;
      map.members.push_back({"type", node.place, node});
      return stage(env, map);
    }
    if (!node.is_map()) {
      env.error(
             "E0070", node.place,
             "a stage is a mapping {type: ...} or the name of its kind, this is " + kind_of(node))
          .help(std::string("such as ") + an_entry);
      return;
    }
    const Member* loop = find_member(node, "for");
    if (!loop) return stage(env, node);
    for (Turn& turn : read_loop(env, loop->value)) {
      env.reading.spend(node.place, env.via, Limits::item_values);
      stage(env.with(std::move(turn.variables)), node);
    }
  }

  void stage(const Env& env, const Node& node) {
    const Member* typed = find_member(node, "name");
    auto name = typed ? read_name(env, typed->value, "a name") : std::nullopt;
    if (name && !is_free(env, *name, typed->value.place)) name.reset();
    Keys keys(env, node, name ? "stage '" + *name + "'" : "the stage", "{type: Map, call: resize}");
    for (const char* key : {"name", "for"}) keys.take(key);
    const Node* condition = keys.take("if");
    const Node* type = keys.require("type", "type: Map, or another kind of stage");
    const Place place = typed ? typed->value.place : type ? type->place : node.place;
    auto on = condition ? read_bool(env, *condition, "if") : true;
    auto kind = type ? read_stage_kind(env, *type) : std::nullopt;
    if (!kind || !on) {
      if (on.value_or(true)) ++position_;
      return define(name.value_or(""), {-1, place});
    }
    StageDecl decl{.name = name.value_or(std::to_string(position_)), .kind = *kind};
    decl.mark = env.mark(place), decl.kind_mark = env.mark(type->place);
    if (*kind != StageKind::source) inputs(env, keys, place, decl);
    if (!*on) return removed(env, name.value_or(""), place, decl);
    ++position_;
    read_stage_keys(env, keys, decl);
    if (pipeline_.stages.size() == size_t(most_stages)) {
      env.error("E0033", place,
                "a pipeline has at most " + std::to_string(most_stages) + " stages");
      throw Stop{};
    }
    define(decl.name, {int(pipeline_.stages.size()), place});
    pipeline_.stages.push_back(std::move(decl));
  }

  static bool is_free(const Env& env, const std::string& name, const Place& at) {
    if (name == "prev") env.error("E0034", at, "'prev' is a word of `from`, not a name");
    return name != "prev" && check_name(env, name, at, "the name");
  }

  /// Whoever names a stage that is off gets what it would have taken.
  void removed(const Env& env, const std::string& name, const Place& place, const StageDecl& decl) {
    if (decl.from.empty()) {
      env.error("E0054", place, "a Source cannot be off: nothing could stand for it");
      return define(name, {-1, place});
    }
    define(name, {decl.from[0].stage, place});
  }

  void define(const std::string& name, Given given) {
    if (!name.empty()) names_.try_emplace(name, given);
    prev_ = given;
  }

  void inputs(const Env& env, Keys& keys, const Place& place, StageDecl& decl) {
    const Node* from = keys.take("from");
    if (!from) {
      if (prev_) return take(env, *prev_, place, decl);
      env.error("E0054", place, "nothing stands above this stage")
          .help("a pipeline begins with a Source: {type: Source, call: images, folder: pictures}");
      return;
    }
    if (from->is_scalar()) return resolve(env, *from, decl);
    if (!from->is_list() || from->items.empty()) {
      env.error("E0072", from->place,
                "from is the name of a stage or a list of them, this is " +
                    (from->is_list() ? "an empty list" : kind_of(*from)))
          .help("without `from` a stage takes the one above it");
      return;
    }
    for (const Node& item : from->items) resolve(env, item, decl);
  }

  void resolve(const Env& env, const Node& node, StageDecl& decl) {
    auto name = read_name(env, node, "from");
    if (!name) return;
    if (*name == "prev" && prev_) return take(env, *prev_, node.place, decl);
    if (auto found = names_.find(*name); found != names_.end())
      return take(env, found->second, node.place, decl);
    if (const Node* later = below(*name)) {
      env.error("E0072", node.place, "'" + *name + "' does not stand above this use of it")
          .note(env.mark(later->place), "'" + *name + "' stands here")
          .help("a stage takes what stands above it, so there are no cycles: move one of the two");
      return;
    }
    std::vector<std::string> known;
    for (auto& stage : pipeline_.stages) known.push_back(stage.name);
    auto& error =
        env.error("E0072", node.place,
                  "no stage named '" + *name + "' stands above" + did_you_mean(*name, known));
    if (!known.empty() && known.size() <= 12) error.help("known here: " + listed(known));
  }

  void take(const Env& env, const Given& given, const Place& at, StageDecl& decl) {
    if (given.index >= 0) decl.from.push_back({given.index, env.mark(at)});
  }

  /// The name of a stage further down, or null.
  const Node* below(const std::string& name) const {
    for (const Node& item : list_.items)
      if (const Member* typed = find_member(item, "name"))
        if (typed->value.is_scalar() && typed->value.text == name) return &typed->value;
    return nullptr;
  }

  PipelineDecl& pipeline_;
  const Node& list_;
  std::unordered_map<std::string, Given> names_;
  std::optional<Given> prev_;
  int position_ = 0;
};

}  // namespace

void read_pipeline(const Env& env, Keys& keys, Model& model) {
  const Member* member = keys.take_member("pipeline");
  if (!member) return;
  PipelineDecl& pipeline = model.pipeline.emplace();
  pipeline.mark = env.mark(member->place);
  const Node* list = &member->value;
  if (list->is_map()) {
    Keys whole(env, *list, "pipeline");
    if (const Node* tokens = whole.take("in_flight"))
      pipeline.in_flight =
          read_integer(env, *tokens, "in_flight", 1, most_in_flight).value_or(pipeline.in_flight);
    list = whole.require("stages", "stages: and the list of stages");
    whole.finish();
    if (!list) return;
  }
  if (list->is_list() && !list->items.empty()) return Stages(pipeline, *list).read(env);
  env.error("E0070", list->place,
            list->is_list() ? "this list of stages is empty"
                            : "stages are a list of items, this is " + kind_of(*list))
      .help(an_entry);
}

void refuse_parts_of_a_network(const Env& env, Keys& keys) {
  for (const char* key : {"outputs", "loss", "metrics", "phases", "freeze", "sync", "init", "tie",
                          "optimizer", "schedule", "train", "weights"})
    if (const Member* member = keys.take_odd(key))
      env.error("E0075", member->place,
                "`" + member->key + "` is about layers, and the file has only a pipeline")
          .help("add `inputs` and `layers`, or take it out");
}

}  // namespace braid::dsl
