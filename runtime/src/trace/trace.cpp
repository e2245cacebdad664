#include <braid/runtime/trace.h>

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <braid/runtime/files.h>

#include "execution.h"
#include "trace/program.h"
#include "trace/stage_trace.h"

namespace braid {
namespace {

using Json = nlohmann::ordered_json;

std::string json_text(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Nanoseconds as the microseconds of the format.
std::string micros(int64_t ns) { return fmt::format("{}.{:03}", ns / 1000, ns % 1000); }

}  // namespace

struct Trace::Impl {
  struct Recorded {
    Run run;
    size_t program;
    int64_t begin, end;
    bool failed;
    std::vector<StepTime> times;  // by step of the plan
  };

  TraceOptions options;
  std::vector<TracedProgram> programs;
  std::map<std::string, int> tracks;              // name -> tid; 0 = the steps themselves
  std::vector<std::vector<int>> track_of_worker;  // by program and worker; 0 = not seen
  std::vector<Recorded> runs;
  std::vector<StageTrace> stages;  // of pipelines that have run
  int64_t events = 0, full_after = -1;

  bool wants(const Run& run) {
    if (run.step < options.first || run.step > options.last || full_after >= 0) return false;
    if (events < options.events) return true;
    full_after = runs.back().run.step;
    return false;
  }

  // A session forgets programs, and their addresses are used again.
  size_t program(const Plan& plan) {
    for (size_t i = 0; i < programs.size(); ++i)
      if (programs[i].plan_hash == plan.plan_hash && programs[i].batch == plan.batch) return i;
    programs.emplace_back(plan);
    track_of_worker.emplace_back();
    return programs.size() - 1;
  }

  void keep(const Executor& executor, const Run& run, int64_t begin, bool failed) {
    const int64_t end = now();
    const size_t p = program(executor.plan());
    const auto times = executor.times();
    runs.push_back({run, p, begin, end, failed, {times.begin(), times.end()}});
    auto& known = track_of_worker[p];
    for (auto& time : times) {
      if (time.worker < 0) continue;
      ++events;
      if (size_t(time.worker) >= known.size()) known.resize(size_t(time.worker) + 1);
      if (int& track = known[size_t(time.worker)]; track == 0)
        track =
            tracks.try_emplace(executor.track(time.worker), int(tracks.size()) + 1).first->second;
    }
    events += 1 + 2 * int64_t(programs[p].arrows.size());
  }

  int64_t start() const {
    int64_t first = runs.empty() ? INT64_MAX : runs.front().begin;
    for (auto& one : stages) first = std::min(first, one.first());
    return first == INT64_MAX ? 0 : first;
  }

  int tid(size_t program, const StepTime& time) const {
    return track_of_worker[program][size_t(time.worker)];
  }

  void names(std::string& out, const std::string& name) const {
    auto meta = [&](int tid, const char* what, const std::string& argument) {
      out += fmt::format(R"({{"ph":"M","pid":1,"tid":{},"name":"{}","args":{{{}}}}},)"
                         "\n",
                         tid, what, argument);
    };
    meta(0, "process_name", "\"name\":" + json_text(name));
    meta(0, "thread_name", "\"name\":\"steps\"");
    meta(0, "thread_sort_index", "\"sort_index\":-1");
    std::vector<std::pair<std::string, int>> all(tracks.begin(), tracks.end());
    std::ranges::stable_sort(all, {}, [](auto& track) { return track.first.size(); });
    int place = 0;  // worker 2 stands before worker 10
    for (auto& [track, tid] : all) {
      meta(tid, "thread_name", "\"name\":" + json_text(track));
      meta(tid, "thread_sort_index", "\"sort_index\":" + std::to_string(place++));
    }
  }

  void span(std::string& out, size_t r) const {
    auto& run = runs[r];
    out += fmt::format(R"({{"ph":"X","pid":1,"tid":0,"ts":{},"dur":{},"name":"{} {}","cat":"step",)"
                       R"("args":{{"run":{},"program":{},"step":{},"what":"{}"{}}}}},)"
                       "\n",
                       micros(run.begin - start()), micros(run.end - run.begin), run.run.what,
                       run.run.step, r, run.program, run.run.step, run.run.what,
                       run.failed ? R"(,"failed":true)" : "");
  }

  void task(std::string& out, size_t r, size_t t) const {
    auto& run = runs[r];
    auto& time = run.times[t];
    if (time.worker < 0) return;
    out += fmt::format(R"({{"ph":"X","pid":1,"tid":{},"ts":{},"dur":{},{},"run":{},"step":{}}}}},)"
                       "\n",
                       tid(run.program, time), micros(time.begin - start()),
                       micros(time.end - time.begin), programs[run.program].tasks[t].head, r,
                       run.run.step);
  }

  // From the last nanosecond of what makes a value, so that it lies inside, to where it is used:
  // clocks of two devices may differ by more.
  void arrow(std::string& out, size_t r, std::pair<int, int> ends, int64_t id) const {
    auto& run = runs[r];
    auto &from = run.times[size_t(ends.first)], &to = run.times[size_t(ends.second)];
    if (from.worker < 0 || to.worker < 0) return;
    out +=
        fmt::format(R"({{"ph":"s","pid":1,"tid":{},"ts":{},"id":{},"name":"value","cat":"sync"}},)"
                    "\n"
                    R"({{"ph":"f","bp":"e","pid":1,"tid":{},"ts":{},"id":{},"name":"value",)"
                    R"("cat":"sync"}},)"
                    "\n",
                    tid(run.program, from),
                    micros(std::max(from.begin, std::min(from.end - 1, to.begin)) - start()), id,
                    tid(run.program, to), micros(to.begin - start()), id);
  }

  Json about(const TracedProgram& program) const {
    Json after = Json::array(), syncs = Json::array();
    for (auto& task : program.tasks) after.push_back(task.after);
    for (auto& sync : program.syncs)
      syncs.push_back({{"name", sync.name}, {"tasks", sync.tasks}, {"from", sync.from}});
    return {{"batch", program.batch},
            {"replicas", program.replicas},
            {"devices", program.devices},
            {"after", std::move(after)},
            {"syncs", std::move(syncs)}};
  }
};

Trace::Trace(TraceOptions options) : impl_(std::make_unique<Impl>()) { impl_->options = options; }
Trace::~Trace() = default;

void Trace::run(Executor& executor, const StepArgs& args, const Run& run) {
  if (!impl_->wants(run)) return executor.run(args);
  executor.time_steps(true);
  const int64_t begin = now();
  try {
    executor.run(args);
  } catch (...) {
    impl_->keep(executor, run, begin, true);
    executor.time_steps(false);
    throw;
  }
  impl_->keep(executor, run, begin, false);
  executor.time_steps(false);
}

void Trace::add(StageTrace stages) {
  impl_->events += stages.events();
  impl_->stages.push_back(std::move(stages));
}

int64_t Trace::room() const { return std::max<int64_t>(0, impl_->options.events - impl_->events); }

int64_t Trace::runs() const { return int64_t(impl_->runs.size()); }
int64_t Trace::events() const { return impl_->events; }
int64_t Trace::full_after() const { return impl_->full_after; }

std::string Trace::json(const std::string& name) const {
  auto& i = *impl_;
  Json programs = Json::array();
  for (auto& program : i.programs) programs.push_back(i.about(program));
  std::string out =
      "{\"displayTimeUnit\":\"ms\",\n\"otherData\":" +
      Json{{"braid-trace", 1}, {"name", name}, {"programs", std::move(programs)}}.dump(
          -1, ' ', false, Json::error_handler_t::replace) +
      ",\n\"traceEvents\":[\n";
  i.names(out, name);
  int64_t arrows = 0;
  for (size_t r = 0; r < i.runs.size(); ++r) {
    i.span(out, r);
    for (size_t t = 0; t < i.runs[r].times.size(); ++t) i.task(out, r, t);
    for (auto& ends : i.programs[i.runs[r].program].arrows) i.arrow(out, r, ends, ++arrows);
  }
  int tid = int(i.tracks.size());
  for (auto& one : i.stages) {
    one.write(out, tid, i.start());
    tid += int(one.tracks.size());
  }
  out.resize(out.size() - 2);  // the last comma
  return out + "\n]}\n";
}

void Trace::write(const std::string& path, const std::string& name) const {
  write_file(path, json(name));
}

}  // namespace braid
