// Everything that can be known of a pipeline before it runs.
#include "pipeline/resolved.h"

#include <algorithm>
#include <set>

namespace braid {

std::string title(const StageDecl& stage) {
  return "stage '" + stage.name + "' (" + std::string(to_string(stage.kind)) + ")";
}

namespace {

class Resolver {
 public:
  Resolver(Resolved& pipeline, Diagnostics& found)
      : p_(pipeline), stages_(pipeline.decl.stages), found_(found) {}

  void run() {
    p_.resolved.assign(stages_.size(), {});
    check_shape();
    if (found_.has_errors()) return;
    for (size_t i = 0; i < stages_.size(); ++i)
      for (auto& from : stages_[i].from) p_.resolved[size_t(from.stage)].users.push_back(int(i));
    check_uses();
    for (size_t i = 0; i < stages_.size(); ++i) resolve(stages_[i], p_.resolved[i]);
    for (size_t i = 0; i < stages_.size(); ++i) check_copies(i);
  }

 private:
  Diagnostic& error(const char* code, const Mark& mark, const std::string& message) {
    return found_.error(code, mark, message);
  }
  void check_shape();
  void check_numbers(const StageDecl& stage);
  void check_from(size_t index);
  void check_uses();
  void resolve(StageDecl& stage, ResolvedStage& to);
  void find_call(StageDecl& stage, ResolvedStage& to);
  void resolve_join(const StageDecl& stage, ResolvedStage& to);
  void find_keys(const StageDecl& stage, ResolvedStage& to);
  void check_input(const StageDecl& stage, size_t port, const ItemType& wanted);
  void check_copies(size_t index);
  const ItemType* made_by(const StageFrom& from) const {
    return p_.resolved[size_t(from.stage)].output;
  }
  const StageDecl& decl_of(const StageFrom& from) const { return stages_[size_t(from.stage)]; }

  Resolved& p_;
  std::vector<StageDecl>& stages_;
  Diagnostics& found_;
};

void Resolver::check_numbers(const StageDecl& stage) {
  auto least = [&](const char* what, double value, double bound, double most) {
    if (!(value >= bound && value <= most))
      error("E0455", stage.mark,
            title(stage) + ": " + what + " is " + shortest(value) + ", it is " + shortest(bound) +
                " to " + shortest(most));
  };
  least("parallel", double(stage.parallel), 0, 4096);
  least("queue", double(stage.queue), 1, 1 << 20);
  least("max", double(stage.max), 1, 1 << 20);
  least("wait_ms", stage.wait_ms, 0, 3.6e6);
}

void Resolver::check_from(size_t index) {
  auto& stage = stages_[index];
  const size_t count = stage.from.size();
  const bool right = stage.kind == StageKind::source ? count == 0
                     : stage.kind == StageKind::join ? count >= 2
                                                     : count == 1;
  if (!right)
    error("E0455", stage.mark,
          title(stage) + " takes from " + std::to_string(count) +
              " stages; a source takes from "
              "none, a join from two or more, any other from one");
  for (auto& from : stage.from)
    if (from.stage < 0 || size_t(from.stage) >= index)
      error("E0455", stage.mark,
            title(stage) + " takes from a stage that does not stand before it");
    else if (decl_of(from).kind == StageKind::sink)
      error("E0455", stage.mark,
            title(stage) + " takes from " + title(decl_of(from)) + ", which hands on nothing");
}

void Resolver::check_shape() {
  std::set<std::string> names;
  for (size_t i = 0; i < stages_.size(); ++i) {
    auto& stage = stages_[i];
    if (stage.name.empty() || !names.insert(stage.name).second)
      error("E0455", stage.mark,
            stage.name.empty() ? "a stage has no name"
                               : "two stages are called '" + stage.name + "'");
    check_numbers(stage);
    check_from(i);
  }
  if (stages_.empty()) error("E0455", p_.decl.mark, "a pipeline has no stages");
  if (p_.decl.in_flight < 1 || p_.decl.in_flight > 1 << 20)
    error("E0455", p_.decl.mark, "in_flight is 1 to 1048576");
}

void Resolver::check_uses() {
  for (size_t i = 0; i < stages_.size(); ++i)
    if (p_.resolved[i].users.empty() && stages_[i].kind != StageKind::sink)
      error("E0455", stages_[i].mark, "nothing takes what " + title(stages_[i]) + " makes")
          .help("end it with a sink");
}

void Resolver::find_call(StageDecl& stage, ResolvedStage& to) {
  to.def = p_.stages.find(stage.kind, stage.call);
  const auto& mark = stage.call_mark ? stage.call_mark : stage.mark;
  if (!to.def) {
    const auto names = p_.stages.names(stage.kind);
    error("E0451", mark,
          title(stage) + ": nothing is bound to the name '" + stage.call + "'" +
              did_you_mean(stage.call, names))
        .help(names.empty() ? "no " + std::string(to_string(stage.kind)) + " is bound"
                            : "bound are " + listed(names));
    return;
  }
  stage.params = check_params(to.def->params, stage.params, title(stage), mark, found_);
  to.output = to.def->output;
}

void Resolver::check_input(const StageDecl& stage, size_t port, const ItemType& wanted) {
  const StageFrom& from = stage.from[port];
  const ItemType* made = made_by(from);
  if (!made || same(*made, wanted)) return;
  auto& d = error("E0452", from.mark ? from.mark : stage.mark,
                  title(stage) + " takes " + to_string(wanted) + ", and " + title(decl_of(from)) +
                      " makes " + to_string(*made));
  d.note(decl_of(from).mark, to_string(*made) + " is made here");
  if (auto& def = p_.resolved[size_t(&stage - stages_.data())].def)
    d.note(def->mark, to_string(wanted) + " is taken by this callable");
}

// Keys are callables if there is one of that name, else a field of records.
void Resolver::find_keys(const StageDecl& stage, ResolvedStage& to) {
  if (stage.by.empty()) return;
  const auto names = p_.stages.key_names();
  const bool bound = std::ranges::find(names, stage.by) != names.end();
  for (auto& from : stage.from) {
    const ItemType* type = made_by(from);
    if (!type) return;
    if (const StageDef* key = p_.stages.find_key(stage.by, *type))
      to.keys.push_back(key);
    else if (bound || !same(*type, item_type<Record>()))
      error("E0454", stage.mark,
            title(stage) + ": there is no key '" + stage.by + "' for " + to_string(*type) +
                ", which " + title(decl_of(from)) + " makes" +
                (bound ? "" : did_you_mean(stage.by, names)))
          .help("bind it: stages.key(\"" + stage.by + "\", [](const " + to_string(*type) +
                "&) { ... })");
  }
}

void Resolver::resolve_join(const StageDecl& stage, ResolvedStage& to) {
  if (to.def && to.def->inputs.size() != stage.from.size()) {
    error("E0452", stage.mark,
          title(stage) + " joins " + std::to_string(stage.from.size()) +
              " stages, its callable takes " + std::to_string(to.def->inputs.size()) + " items")
        .note(to.def->mark, "it was bound here");
    return;
  }
  for (size_t port = 0; port < stage.from.size(); ++port)
    check_input(stage, port, to.def ? *to.def->inputs[port].type : item_type<Record>());
  if (!to.def) to.output = &item_type<Record>();
  find_keys(stage, to);
}

void Resolver::resolve(StageDecl& stage, ResolvedStage& to) {
  const ItemType* in = stage.from.empty() ? nullptr : made_by(stage.from[0]);
  switch (stage.kind) {
    case StageKind::batch:
      if (in && !in->batch)
        error("E0452", stage.mark, title(stage) + " is given what is a batch already");
      else if (in)
        to.output = &in->batch();
      return;
    case StageKind::unbatch:
      if (in && !in->element)
        error("E0452", stage.mark,
              title(stage) + " takes a batch, and " + title(decl_of(stage.from[0])) + " makes " +
                  to_string(*in));
      else if (in)
        to.output = &in->element();
      return;
    case StageKind::network:
      if (in && !same(*in, item_type<Items<Record>>())) check_input(stage, 0, item_type<Record>());
      to.output = in;
      return;
    case StageKind::join:
      if (!stage.call.empty()) find_call(stage, to);
      if (stage.call.empty() || to.def) resolve_join(stage, to);
      return;
    default:
      find_call(stage, to);
      if (to.def && in) check_input(stage, 0, *to.def->inputs[0].type);
      if (stage.kind == StageKind::filter) to.output = in;
  }
}

void Resolver::check_copies(size_t index) {
  auto& made = p_.resolved[index];
  if (made.users.size() < 2 || !made.output || made.output->copies) return;
  for (int user : made.users) {
    auto& decl = stages_[size_t(user)];
    const StageDef* def = p_.resolved[size_t(user)].def;
    const bool takes = !def || std::ranges::any_of(def->inputs, &StageInput::takes);
    if (takes)
      error("E0453", decl.mark,
            title(decl) + " takes a " + to_string(*made.output) + " of its own, which cannot be " +
                "copied and which other stages get, too")
          .help("take it by const&");
  }
}

}  // namespace

void resolve(Resolved& pipeline, Diagnostics& found) { Resolver(pipeline, found).run(); }

void check(const PipelineDecl& pipeline, const Stages& stages, Diagnostics& found) {
  Resolved all{.decl = pipeline, .stages = stages, .resolved = {}};
  resolve(all, found);
}

}  // namespace braid
