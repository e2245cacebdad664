#include <braid/runtime/pipeline.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <braid/runtime/session.h>

#include "pipeline/resolved.h"
#include "pipeline/stream.h"

namespace braid {
namespace {

std::string in_folder(const std::string& folder, const std::string& path) {
  return path.starts_with("/") || folder.empty() || folder == "." ? path : folder + "/" + path;
}

}  // namespace

struct Pipeline::Impl {
  Resolved resolved;
  PipelineOptions options;
  std::vector<std::unique_ptr<Session>> own;  // sessions
  std::unique_ptr<FlowGraph> graph;
  std::mutex mutex;
  std::unique_ptr<Stream> stream;  // the run that goes on
  std::condition_variable over;

  Impl(PipelineDecl decl, Stages stages, PipelineOptions o);
  Session& open(const StageDecl& stage);
  void check_network(const StageDecl& stage, Session& session) const;
  void begin();
  PipelineReport finish();
};

Session& Pipeline::Impl::open(const StageDecl& stage) {
  if (auto given = options.sessions.find(stage.name);
      given != options.sessions.end() && given->second)
    return *given->second;
  const SessionOptions session_options{.arena = options.arena,
                                       .concurrency = int(std::min<int64_t>(stage.parallel, 64))};
  if (stage.model.empty() && !options.model)
    throw Error(Fault::model, "E0456", title(stage) + ": there is no network for it", stage.mark)
        .help("give `model: net.yaml`, or layers beside the pipeline; in C++ a Session");
  try {
    own.push_back(std::make_unique<Session>(
        stage.model.empty()
            ? Session(*options.model, session_options)
            : Session::open(in_folder(options.folder, stage.model), session_options)));
    if (!stage.weights.empty()) own.back()->load_weights(in_folder(options.folder, stage.weights));
  } catch (Error& error) {
    if (error.first().mark.source == stage.mark.source) throw;
    throw Error(std::move(error).note(stage.mark, "for stage '" + stage.name + "'"));
  }
  return *own.back();
}

void Pipeline::Impl::check_network(const StageDecl& stage, Session& session) const {
  std::vector<std::string> names;
  for (auto& input : session.model().inputs) names.push_back(input.name);
  for (auto& [input, field] : stage.feed)
    if (std::ranges::find(names, input) == names.end())
      throw Error(
          Fault::model, "E0456",
          title(stage) + ": the network has no input '" + input + "'" + did_you_mean(input, names),
          stage.mark);
  for (auto& output : stage.outputs) session.output_type(output);
}

Pipeline::Impl::Impl(PipelineDecl decl, Stages stages, PipelineOptions o)
    : resolved{.decl = std::move(decl), .stages = std::move(stages), .resolved = {}},
      options(std::move(o)) {
  Diagnostics found;
  resolve(resolved, found);
  found.raise();
  if (!options.arena) options.arena = std::make_shared<TaskArena>(options.threads);
  for (size_t i = 0; i < resolved.decl.stages.size(); ++i) {
    auto& stage = resolved.decl.stages[i];
    if (stage.kind != StageKind::network) continue;
    Session& session = open(stage);
    check_network(stage, session);
    resolved.resolved[i].session = &session;
  }
  graph = std::make_unique<FlowGraph>(options.arena);
}

void Pipeline::Impl::begin() {
  const std::lock_guard lock(mutex);
  if (stream) throw Error(Fault::usage, "E0464", "the pipeline runs already", resolved.decl.mark);
  stream = std::make_unique<Stream>(resolved, *graph, options.trace.get());
}

PipelineReport Pipeline::Impl::finish() {
  struct Over {
    Impl& impl;
    ~Over() {
      std::unique_ptr<Stream> gone;  // ends without the lock: its timer may be about to ring
      const std::lock_guard lock(impl.mutex);
      gone = std::move(impl.stream);
      impl.over.notify_all();
    }
  } const over_at_end{*this};
  return stream->run();
}

Pipeline::Pipeline(PipelineDecl decl, Stages stages, PipelineOptions options)
    : impl_(std::make_shared<Impl>(std::move(decl), std::move(stages), std::move(options))) {}

Pipeline::Pipeline(const Model& model, Stages stages, PipelineOptions options) {
  if (!model.pipeline) throw Error(Fault::model, "E0456", "the file has no `pipeline`", model.mark);
  if (!options.model && !model.layers.empty()) options.model = std::make_shared<Model>(model);
  if (options.folder == ".") options.folder = model.folder;
  impl_ = std::make_shared<Impl>(*model.pipeline, std::move(stages), std::move(options));
}

Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() {
  if (!impl_) return;
  cancel();
  std::unique_lock lock(impl_->mutex);
  impl_->over.wait(lock, [&] { return !impl_->stream; });
}

const PipelineDecl& Pipeline::decl() const { return impl_->resolved.decl; }

PipelineReport Pipeline::run() {
  impl_->begin();
  return impl_->finish();
}

std::future<PipelineReport> Pipeline::run_async() {
  impl_->begin();
  return std::async(std::launch::async, [impl = impl_] { return impl->finish(); });
}

void Pipeline::stop() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->stream) impl_->stream->stop();
}

void Pipeline::cancel() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->stream) impl_->stream->cancel();
}

}  // namespace braid
