#include <braid/core/stages.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace braid {
namespace {

constexpr std::array<std::pair<std::string_view, StageKind>, 8> kinds = {{
    {"Source", StageKind::source},
    {"Map", StageKind::map},
    {"Filter", StageKind::filter},
    {"Join", StageKind::join},
    {"Batch", StageKind::batch},
    {"Network", StageKind::network},
    {"Unbatch", StageKind::unbatch},
    {"Sink", StageKind::sink},
}};
constexpr std::array<std::pair<std::string_view, Overflow>, 3> overflows = {{
    {"block", Overflow::block},
    {"drop_oldest", Overflow::drop_oldest},
    {"drop_newest", Overflow::drop_newest},
}};

template <class Table, class Value>
std::string_view word_of(const Table& table, Value value) {
  for (auto& [word, known] : table)
    if (known == value) return word;
  bug("a value without a word");
}

template <class Value, class Table>
std::optional<Value> value_of(const Table& table, std::string_view text) {
  for (auto& [word, value] : table)
    if (word == text) return value;
  return {};
}

std::string called(const StageDecl& stage) {
  return std::string(stage_type(stage.kind)) + " '" + stage.name + "'";
}

class Check {
 public:
  Check(const PipelineDecl& pipeline, Diagnostics& found)
      : stages_(pipeline.stages), pipeline_(pipeline), found_(found) {}

  void run() {
    names();
    bool linked = true;
    for (size_t i = 0; i < stages_.size(); ++i) linked &= inputs(i);
    if (!linked) return;  // what follows would speak of the same fault again
    ends();
    batches();
  }

 private:
  void names() {
    for (size_t i = 0; i < stages_.size(); ++i)
      for (size_t before = 0; before < i; ++before)
        if (stages_[before].name == stages_[i].name) {
          found_.error("E0052", stages_[i].mark, "the name '" + stages_[i].name + "' is taken")
              .note(stages_[before].mark, "'" + stages_[i].name + "' stands here, too")
              .help("rename one of the two");
          break;
        }
  }

  bool inputs(size_t index) {
    const StageDecl& stage = stages_[index];
    for (auto& from : stage.from) {
      if (from.stage < 0 || size_t(from.stage) >= index)
        return found_
                   .error("E0072", from.mark,
                          called(stage) + " takes from a stage that does not stand above it")
                   .help("a stage takes what stands above it, so there are no cycles"),
               false;
      const StageDecl& giver = stages_[size_t(from.stage)];
      if (giver.kind == StageKind::sink)
        return found_
                   .error("E0072", from.mark,
                          called(stage) + " takes from a Sink, which gives nothing on")
                   .note(giver.mark, called(giver))
                   .help(from.mark.line == stage.mark.line && from.mark.column == stage.mark.column
                             ? "without `from` a stage takes the one above it: name another"
                             : "take from what the Sink takes from: several users of one stage "
                               "each get every item"),
               false;
    }
    return count(stage);
  }

  bool count(const StageDecl& stage) {
    const size_t inputs = stage.from.size();
    if (stage.kind == StageKind::source && inputs > 0)
      found_.error("E0073", stage.mark, called(stage) + " takes nothing")
          .help("a stage that makes items of other items is a Map");
    else if (stage.kind == StageKind::join && inputs < 2)
      found_
          .error("E0073", stage.mark,
                 called(stage) + " joins " + (inputs ? "one stage" : "nothing"))
          .help("from: [a, b] names the stages whose items with equal keys become one");
    else if (stage.kind != StageKind::join && stage.kind != StageKind::source && inputs != 1)
      found_
          .error("E0073", stage.mark,
                 called(stage) + " takes from one stage, here from " + std::to_string(inputs))
          .help("a Join makes one item of several with equal keys");
    else
      return true;
    return false;
  }

  /// Sources are there, and what each stage makes is used.
  void ends() {
    std::vector<bool> used(stages_.size(), false);
    bool any_source = false, any_sink = false;
    for (auto& stage : stages_) {
      any_source |= stage.kind == StageKind::source;
      any_sink |= stage.kind == StageKind::sink;
      for (auto& from : stage.from) used[size_t(from.stage)] = true;
    }
    if (!any_source)
      found_.error("E0074", pipeline_.mark, "the pipeline has no Source")
          .help("it begins with one: {type: Source, call: images, folder: pictures}");
    if (!any_sink)
      found_.error("E0074", pipeline_.mark, "the pipeline has no Sink")
          .help("it ends with one: {type: Sink, call: jsonl, file: results.jsonl}");
    for (size_t i = 0; any_sink && i < stages_.size(); ++i)
      if (!used[i] && stages_[i].kind != StageKind::sink)
        found_
            .error("E0074", stages_[i].mark, "nothing takes what " + called(stages_[i]) + " makes")
            .help("name it in a `from`, end it with a Sink, or remove it");
  }

  /// A batch that waits for more than there can be is no fault, but not what was meant.
  void batches() {
    int64_t sources = 0;
    for (auto& stage : stages_) sources += stage.kind == StageKind::source;
    const int64_t most = sources * pipeline_.in_flight;
    for (auto& stage : stages_)
      if (stage.kind == StageKind::batch && stage.max > most)
        found_
            .warning("W0070", stage.mark,
                     called(stage) + " is never full: it waits for " + std::to_string(stage.max) +
                         " items, and at most " + std::to_string(most) + " are under way")
            .help("in_flight: " + std::to_string(2 * stage.max) + ", or a smaller max");
  }

  const std::vector<StageDecl>& stages_;
  const PipelineDecl& pipeline_;
  Diagnostics& found_;
};

}  // namespace

std::string_view stage_type(StageKind kind) { return word_of(kinds, kind); }
std::string_view to_string(Overflow overflow) { return word_of(overflows, overflow); }
std::optional<StageKind> parse_stage_type(std::string_view text) {
  return value_of<StageKind>(kinds, text);
}
std::optional<Overflow> parse_overflow(std::string_view text) {
  return value_of<Overflow>(overflows, text);
}

namespace {

std::string milliseconds(double value) {
  const bool whole = value == std::floor(value);
  return (whole ? std::to_string(int64_t(value)) : shortest(value)) + " ms";
}

}  // namespace

std::string what_it_does(const StageDecl& stage) {
  switch (stage.kind) {
    case StageKind::join:
      return stage.call +
             (stage.by.empty() ? "" : (stage.call.empty() ? "by " : " by ") + stage.by);
    case StageKind::batch:
      return "max " + std::to_string(stage.max) + ", wait " + milliseconds(stage.wait_ms);
    case StageKind::network:
      return stage.model.empty() ? "this file's layers" : stage.model;
    case StageKind::unbatch:
      return "";
    default:
      return stage.call;
  }
}

void check_pipeline(const PipelineDecl& pipeline, Diagnostics& found) {
  Check(pipeline, found).run();
}

}  // namespace braid
