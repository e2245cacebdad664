// `braid stream FILE`: runs the pipeline of a file until its sources end, or Ctrl-C ends them.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include <unistd.h>

#include <fmt/format.h>

#include <braid/compiler/stages.h>
#include <braid/runtime/pipeline.h>

#include "commands.h"
#include "json.h"
#include "network.h"
#include "output.h"
#include "stages.h"
#include "stop.h"
#include "tracing.h"

namespace braid::cli {
namespace {

using Clock = std::chrono::steady_clock;

/// What a person watches: counted around the callables of sources and sinks.
struct Counts {
  std::atomic<int64_t> in = 0, done = 0;
};

Stages counted(Stages stages, const PipelineDecl& pipeline, const std::shared_ptr<Counts>& counts) {
  for (auto& stage : pipeline.stages) {
    const bool source = stage.kind == StageKind::source;
    if (!source && stage.kind != StageKind::sink) continue;
    const StageDef* def = stages.find(stage.kind, stage.call);
    if (!def) continue;
    StageDef counting = *def;
    counting.make = [make = def->make, counts, source](const Dict& params, std::stop_token stop) {
      return [call = make(params, std::move(stop)), counts, source](std::span<Item> items) {
        Item made = call(items);
        if (!source)
          ++counts->done;
        else if (made)
          ++counts->in;
        return made;
      };
    };
    stages.add(std::move(counting));
  }
  return stages;
}

class LiveLine {
 public:
  explicit LiveLine(std::shared_ptr<Counts> counts)
      : counts_(std::move(counts)), shown_(isatty(STDERR_FILENO)) {}

  void show() {
    if (!shown_) return;
    const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    const int64_t in = counts_->in, done = counts_->done;
    warn(fmt::format("\r\033[K{} items in, {} at a sink, {:.0f} items/s", grouped(in),
                     grouped(done), seconds > 0 ? double(done) / seconds : 0));
    drawn_ = true;
  }
  void finish() {
    if (drawn_) warn("\r\033[K");
    drawn_ = false;
  }

 private:
  std::shared_ptr<Counts> counts_;
  Clock::time_point begin_ = Clock::now();
  bool shown_, drawn_ = false;
};

/// A session for each network and its weights, which stages may share.
class Sessions {
 public:
  Sessions(const Network& network, const Arguments& a, std::shared_ptr<TaskArena> arena)
      : own_(network), arguments_(a), arena_(std::move(arena)) {}

  std::map<std::string, Session*> all() {
    std::map<std::string, Session*> of_stages;
    for (auto& stage : own_.model.pipeline->stages) {
      if (stage.kind != StageKind::network) continue;
      try {
        of_stages[stage.name] = &of(stage);
      } catch (Error& error) {
        if (error.first().mark.source == stage.mark.source) throw;
        throw Error(std::move(error).note(stage.mark, "for stage '" + stage.name + "'"));
      }
    }
    return of_stages;
  }

 private:
  Session& of(const StageDecl& stage) {
    const std::optional<Network> other =
        stage.model.empty() ? std::nullopt : std::optional(load(stage.model));
    const Network& network = other ? *other : own_;
    const std::string weights = weights_of(stage, network);
    auto& session = opened_[{stage.model, weights}];
    if (session) return *session;
    SessionOptions options = session_options(arguments_);
    options.trace = {};
    options.arena = arena_;
    session = std::make_unique<Session>(session_of(network, std::move(options)));
    if (!weights.empty()) session->load_weights(weights);
    return *session;
  }

  Network load(const std::string& model) const {
    Arguments a = arguments_;
    a.target = in_folder(own_.model, model);
    a.set.clear(), a.weights.clear();
    return load_network(a);
  }

  std::string weights_of(const StageDecl& stage, const Network& network) const {
    auto& of_file = network.model.weights;
    const bool replaced = &network == &own_ && !arguments_.weights.empty();
    if (!stage.weights.empty() && !replaced) return in_folder(own_.model, stage.weights);
    if (of_file) return in_folder(network.model, of_file->path);
    if (network.summary.parameters + network.summary.buffers == 0) return "";
    throw Error(Fault::model, "E0701", "Network '" + stage.name + "' needs weights", stage.mark)
        .help("`weights` of the stage or of its network's file; --weights FILE.safetensors");
  }

  static std::string in_folder(const Model& model, const std::string& path) {
    return (std::filesystem::path(model.folder) / path).string();
  }

  const Network& own_;
  const Arguments& arguments_;
  std::shared_ptr<TaskArena> arena_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Session>> opened_;
};

PipelineReport watched(Pipeline& pipeline, LiveLine line, const StopSignals& signals) {
  auto report = pipeline.run_async();
  bool stopped = false, cancelled = false;
  while (report.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) {
    line.show();
    if (signals.code() && !std::exchange(stopped, true)) pipeline.stop();
    if (signals.twice() && !std::exchange(cancelled, true)) pipeline.cancel();
  }
  line.finish();
  return report.get();
}

Json to_json(const PipelineReport& report) {
  Json stages = Json::array();
  for (auto& s : report.stages)
    stages.push_back({{"name", s.name},
                      {"type", stage_type(s.kind)},
                      {"in", s.in},
                      {"out", s.out},
                      {"filtered", s.filtered},
                      {"dropped", s.dropped},
                      {"unmatched", s.unmatched},
                      {"most_waiting", s.most_waiting},
                      {"busy_seconds", s.busy},
                      {"mean_batch", s.mean_batch}});
  return {{"event", "done"},
          {"items", report.items},
          {"seconds", report.seconds},
          {"stopped", report.stopped},
          {"latency_ms",
           {{"items", report.latency.items},
            {"p50", report.latency.p50},
            {"p99", report.latency.p99},
            {"max", report.latency.max}}},
          {"stages", std::move(stages)}};
}

/// Then what is said of the run must not stand among its results.
bool writes_to_stdout(const PipelineDecl& pipeline) {
  return std::ranges::any_of(pipeline.stages, [](const StageDecl& stage) {
    const Attr* file = find(stage.params, "file");
    return stage.kind == StageKind::sink && file && *file == Attr("-");
  });
}

}  // namespace

int stream_command(const Arguments& a) {
  const Network network = load_network(a);
  need_pipeline(network.model);
  auto arena = std::make_shared<TaskArena>(a.threads);
  Sessions sessions(network, a, arena);
  auto counts = std::make_shared<Counts>();
  PipelineOptions options{.arena = arena, .trace = make_trace(a), .sessions = sessions.all()};
  TraceFile trace(a, options.trace, network.model.name);
  const auto& decl = *network.model.pipeline;
  Pipeline pipeline(network.model, counted(network.stages, decl, counts), std::move(options));
  StopSignals signals(StopSignals::Of::stream);
  const PipelineReport report = watched(pipeline, LiveLine(counts), signals);
  trace.finish();
  const std::string text = a.json ? line(to_json(report)) : to_string(report);
  writes_to_stdout(decl) ? warn(text) : print(text);
  return signals.code();
}

}  // namespace braid::cli
