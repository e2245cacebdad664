#include <braid/core/stages.h>

#include "sketch.h"

namespace braid {
namespace {

using Kind = Picture::Kind;

Kind look_of(StageKind kind) {
  switch (kind) {
    case StageKind::source:
      return Kind::input;
    case StageKind::sink:
      return Kind::output;
    case StageKind::batch:
    case StageKind::unbatch:
    case StageKind::join:
      return Kind::common;
    case StageKind::map:
    case StageKind::filter:
    case StageKind::network:
      return Kind::layer;
  }
  return Kind::layer;
}

Picture::Node node_of(const StageDecl& stage) {
  const std::string kind(stage_type(stage.kind));
  Picture::Node node{"", {stage.name, kind}, look_of(stage.kind)};
  node.layer = stage.name, node.type = kind;
  auto add = [&](const std::string& key, const std::string& value) {
    node.arguments.emplace_back(key, value);
  };
  if (auto what = what_it_does(stage); !what.empty()) node.text.push_back(what);
  if (!stage.call.empty()) add("call", stage.call);
  for (auto& entry : stage.params) add(entry.key, to_string(entry.value));
  for (auto& [input, field] : stage.feed) add("feed: " + input, field);
  if (stage.parallel != 1) {
    const std::string often = stage.parallel ? std::to_string(stage.parallel) : "threads";
    add("parallel", often);
    node.text.push_back("parallel " + often + (stage.ordered ? "" : ", order any"));
  }
  if (stage.kind != StageKind::source) {
    add("queue", std::to_string(stage.queue));
    add("overflow", std::string(to_string(stage.overflow)));
  }
  place(node, stage.mark);
  return node;
}

}  // namespace

Picture draw_pipeline(const PipelineDecl& pipeline, const std::string& name) {
  Sketch sketch;
  std::vector<int> nodes;
  for (auto& stage : pipeline.stages) {
    nodes.push_back(sketch.node(stage.name, node_of(stage)));
    std::string text = "queue " + std::to_string(stage.queue);
    if (stage.overflow != Overflow::block) text += ", " + std::string(to_string(stage.overflow));
    for (auto& from : stage.from) sketch.edge(nodes[size_t(from.stage)], nodes.back(), text);
  }
  Picture picture = std::move(sketch).finish(
      name + ": at most " + std::to_string(pipeline.in_flight) + " items under way");
  picture.view = Picture::View::pipeline;
  return picture;
}

}  // namespace braid
