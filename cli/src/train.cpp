// `braid train NET`.
#include <braid/runtime/train.h>

#include <algorithm>

#include <fmt/format.h>

#include "commands.h"
#include "events.h"
#include "log.h"
#include "network.h"
#include "output.h"
#include "progress.h"
#include "run_record.h"
#include "stop.h"
#include "tracing.h"

namespace braid::cli {
namespace {

// runs/<name>, whatever the name holds.
std::string folder_for(std::string name) {
  std::ranges::replace(name, '/', '_');
  if (name.empty() || name.starts_with('.')) name = "_" + name;
  return "runs/" + name;
}

// Where the events of a run go: the log, and stdout or the eyes of a person.
class Audience {
 public:
  Audience(const std::string& folder, const Arguments& a, Session& session)
      : log_(folder + "/log.jsonl"), record_(folder, a, session), json_(a.json) {}

  void tell(const TrainEvent& e) {
    last_ = e;
    if (e.kind == TrainEvent::Kind::start) {
      log_.begin(e.step);
      record_.begin(e);
    }
    auto text = event_line(e);
    log_.write(text);
    if (e.kind != TrainEvent::Kind::step) log_.flush();
    if (json_)
      print_now(text);
    else
      progress_.show(e);
  }

  void done(const TrainReport& report) {
    progress_.finish();
    log_.write(done_line(report));
    log_.flush();
    record_.end(report.stopped ? "stopped" : "done", last_);
    print(json_ ? done_line(report) : summary(report));
  }

  void failed(const std::string& why) {
    progress_.finish();
    record_.end(why, last_);
  }

 private:
  static std::string summary(const TrainReport& r) {
    auto out = fmt::format("steps     {}{}\n", r.steps,
                           r.stopped ? "   (stopped; go on with --resume)" : "");
    if (r.steps_run) out += fmt::format("loss      {}   (last step)\n", short_number(r.loss));
    for (auto& [name, value] : r.metrics)
      out += fmt::format("{:<8}  {}   (test)\n", name, short_number(value));
    if (r.images_per_second > 0)
      out += fmt::format("speed     {:.0f} images/s\n", r.images_per_second);
    if (r.best_step)
      out += fmt::format("best      {}   after step {}: {}\n", short_number(r.best), r.best_step,
                         r.best_weights);
    return out + fmt::format("weights   {}\nsha256    {}\n", r.weights, r.sha256);
  }

  Log log_;
  RunRecord record_;
  TrainEvent last_;
  Progress progress_;
  bool json_;
};

}  // namespace

int train_command(const Arguments& a) {
  StopSignals signals;
  Session session = open_session(a, false);
  std::string out = a.out.empty() ? folder_for(session.model().name) : a.out;
  Audience audience(out, a, session);
  TraceFile trace(a, session);
  TrainReport report;
  try {
    report = train(session, {.steps = a.steps,
                             .out = out,
                             .resume = a.resume,
                             .resume_from = a.resume_from,
                             .exact = a.exact,
                             .on_event = [&](const TrainEvent& e) { audience.tell(e); },
                             .stop = [&] { return signals.code() != 0; }});
  } catch (const Error& error) {
    audience.failed(error.diagnostics().front().message);
    throw;
  }
  audience.done(report);
  trace.finish();
  return report.stopped ? signals.code() : 0;
}

}  // namespace braid::cli
