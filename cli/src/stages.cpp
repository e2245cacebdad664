#include "stages.h"

#include "output.h"

namespace braid::cli {
namespace {

std::vector<std::string> givers(const PipelineDecl& pipeline, const StageDecl& stage) {
  std::vector<std::string> names;
  for (auto& from : stage.from) names.push_back(pipeline.stages[size_t(from.stage)].name);
  return names;
}

std::string side_by_side(const StageDecl& stage) {
  if (stage.parallel == 1) return "1";
  return (stage.parallel ? std::to_string(stage.parallel) : "threads") +
         (stage.ordered ? "" : ", any order");
}

}  // namespace

Json to_json(const PipelineDecl& pipeline) {
  Json stages = Json::array();
  for (auto& stage : pipeline.stages) {
    Json one = {{"name", stage.name},
                {"type", stage_type(stage.kind)},
                {"file", stage.mark ? stage.mark.source->name : ""},
                {"line", stage.mark.line},
                {"from", givers(pipeline, stage)}};
    if (!stage.call.empty()) one["call"] = stage.call;
    one["parallel"] = stage.parallel;
    one["order"] = stage.ordered ? "kept" : "any";
    if (stage.kind != StageKind::source) {
      one["queue"] = stage.queue;
      one["overflow"] = to_string(stage.overflow);
    }
    stages.push_back(std::move(one));
  }
  return {{"in_flight", pipeline.in_flight}, {"stages", std::move(stages)}};
}

std::string table_of(const PipelineDecl& pipeline) {
  Table table({"stage", "type", "takes", "does", "parallel", "queue", "when full"}, "lllllrl");
  for (auto& stage : pipeline.stages) {
    const bool takes = stage.kind != StageKind::source;
    table.row({stage.name, std::string(stage_type(stage.kind)), listed(givers(pipeline, stage)),
               what_it_does(stage), side_by_side(stage), takes ? std::to_string(stage.queue) : "",
               takes ? std::string(to_string(stage.overflow)) : ""});
  }
  return table.text() + "\n" + std::to_string(pipeline.stages.size()) + " stages, at most " +
         grouped(pipeline.in_flight) + " items under way\n";
}

}  // namespace braid::cli
