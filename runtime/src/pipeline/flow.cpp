#include <braid/runtime/pipeline.h>

namespace braid {
namespace {

Mark call_site(const char* file, int line) {
  return {std::make_shared<const Source>(Source{file, ""}), line, 0};
}

}  // namespace

StageDecl Flow::made(const std::string& name, StageKind kind, const StageOptions& options) {
  return {.name = name,
          .kind = kind,
          .call = name,
          .parallel = options.parallel,
          .ordered = options.ordered,
          .queue = options.queue,
          .overflow = options.overflow};
}

FlowStage Flow::add(StageDecl stage, const std::vector<FlowStage>& from, const char* file,
                    int line) {
  stage.mark = call_site(file, line);
  for (const FlowStage& before : from) stage.from.push_back({before.index, stage.mark});
  decl_.stages.push_back(std::move(stage));
  return {int(decl_.stages.size()) - 1};
}

FlowStage Flow::batch(const std::string& name, FlowStage from, const BatchStageOptions& options,
                      const char* file, int line) {
  return add({.name = name,
              .kind = StageKind::batch,
              .queue = options.queue,
              .max = options.max,
              .wait_ms = options.wait_ms},
             {from}, file, line);
}

FlowStage Flow::network(const std::string& name, FlowStage from, Session& session,
                        NetworkStageOptions options, const char* file, int line) {
  sessions_[name] = &session;
  return add({.name = name,
              .kind = StageKind::network,
              .parallel = options.parallel,
              .queue = options.queue,
              .feed = std::move(options.feed),
              .outputs = std::move(options.outputs)},
             {from}, file, line);
}

FlowStage Flow::unbatch(const std::string& name, FlowStage from, const char* file, int line) {
  return add({.name = name, .kind = StageKind::unbatch}, {from}, file, line);
}

Pipeline Flow::pipeline(PipelineOptions options) const {
  for (auto& [name, session] : sessions_) options.sessions[name] = session;
  return {decl_, stages_, std::move(options)};
}

PipelineReport Flow::run(PipelineOptions options) const {
  return pipeline(std::move(options)).run();
}

}  // namespace braid
