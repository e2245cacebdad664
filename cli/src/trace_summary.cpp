#include "trace_summary.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace braid::cli {
namespace {

double seconds(int64_t ns) { return double(ns) * 1e-9; }

class Summarizer {
 public:
  explicit Summarizer(const TraceData& trace)
      : t_(trace), of_run_(trace.runs.size()), layer_(trace.names.size(), -1) {
    for (auto& event : t_.events) of_run_[size_t(event.run)].push_back(&event);
  }

  TraceSummary run() {
    choose();
    std::vector<double> took;
    for (size_t r = 0; r < t_.runs.size(); ++r) {
      auto& run = t_.runs[r];
      if (run.what != out_.what) continue;
      took.push_back(seconds(run.end - run.begin));
      out_.first = out_.passes == 0 ? run.step : std::min(out_.first, run.step);
      out_.last = std::max(out_.last, run.step);
      ++out_.passes;
      out_.failed += run.failed;
      add(r);
    }
    out_.others = int64_t(t_.runs.size()) - out_.passes;
    if (!took.empty()) finish(std::move(took));
    return std::move(out_);
  }

 private:
  void choose() {
    for (const char* what : {"train", "run", "eval", "backward"})
      if (std::ranges::any_of(t_.runs, [&](auto& run) { return run.what == what; })) {
        out_.what = what;
        return;
      }
  }

  TraceSummary::Layer& layer(int name) {
    auto& at = layer_[size_t(name)];
    if (at < 0) {
      at = int(out_.layers.size());
      out_.layers.push_back({.name = t_.names[size_t(name)]});
    }
    return out_.layers[size_t(at)];
  }

  // "fc1.weight" is updated: that is time of fc1, where there is such a layer.
  int owner(const TraceData::Event& event) {
    if (t_.names[size_t(event.phase)] != "update") return event.layer;
    auto& name = t_.names[size_t(event.layer)];
    const auto layer = std::ranges::find(t_.names, name.substr(0, name.rfind('.')));
    return layer == t_.names.end() ? event.layer : int(layer - t_.names.begin());
  }

  void add(size_t r) {
    auto& program = t_.programs[size_t(t_.runs[r].program)];
    std::vector<const TraceData::Event*> of_task(program.after.size(), nullptr);
    for (auto* event : of_run_[r]) {
      of_task[size_t(event->task)] = event;
      const double took = seconds(event->end - event->begin);
      for (size_t p = 0; p < TraceSummary::phases.size(); ++p)
        if (t_.names[size_t(event->phase)] == TraceSummary::phases[p])
          layer(owner(*event)).seconds[p] += took;
      auto& [busy, events] = busy_[event->track];
      busy += took, ++events;
      out_.work += took;
    }
    walk(program, of_task);
    wait(program, of_task);
  }

  // From what ended last, back over what each task waited for longest.
  void walk(const TraceData::Program& program,
            const std::vector<const TraceData::Event*>& of_task) {
    const TraceData::Event* at = nullptr;
    for (auto* event : of_task)
      if (event && (!at || event->end > at->end)) at = event;
    if (!at) return;
    const int64_t end = at->end;
    int64_t begin = at->begin;
    std::vector<char> seen(of_task.size(), 0);
    while (at && !seen[size_t(at->task)]) {
      seen[size_t(at->task)] = 1;
      begin = std::min(begin, at->begin);
      const double took = seconds(at->end - at->begin);
      layer(owner(*at)).path += took;
      out_.path_work += took;
      const TraceData::Event* before = nullptr;
      for (int task : program.after[size_t(at->task)])
        if (auto* event = of_task[size_t(task)]; event && (!before || event->end > before->end))
          before = event;
      at = before;
    }
    out_.path += seconds(end - begin);
  }

  void wait(const TraceData::Program& program,
            const std::vector<const TraceData::Event*>& of_task) {
    for (auto& sync : program.syncs) {
      std::vector<int64_t> came(sync.from.size(), -1);
      for (size_t r = 0; r < came.size(); ++r)
        for (int task : sync.from[r])
          if (auto* event = of_task[size_t(task)]) came[r] = std::max(came[r], event->end);
      if (std::ranges::count_if(came, [](int64_t end) { return end >= 0; }) < 2) continue;
      const auto last = std::ranges::max_element(came);
      auto& point = this->point(sync.name, came.size());
      ++point.calls;
      ++point.last[size_t(last - came.begin())];
      for (size_t r = 0; r < came.size(); ++r)
        if (came[r] >= 0) point.waits[r] += seconds(*last - came[r]);
    }
  }

  TraceSummary::Sync& point(const std::string& name, size_t replicas) {
    auto [entry, fresh] = point_.try_emplace(name, out_.syncs.size());
    if (fresh) out_.syncs.push_back({.name = name, .waits = {}, .last = {}});
    auto& point = out_.syncs[entry->second];
    point.waits.resize(std::max(point.waits.size(), replicas));
    point.last.resize(point.waits.size());
    return point;
  }

  void finish(std::vector<double> took) {
    std::ranges::sort(took);
    out_.least = took.front(), out_.most = took.back(), out_.median = took[took.size() / 2];
    const auto passes = double(out_.passes);
    const double all = std::accumulate(took.begin(), took.end(), 0.0);
    for (auto& [track, used] : busy_)
      out_.tracks.push_back({.name = t_.tracks[size_t(track)],
                             .busy = all > 0 ? used.first / all : 0,
                             .events = used.second});
    for (auto& layer : out_.layers) {
      layer.path /= passes;
      for (double& s : layer.seconds) s /= passes;
    }
    for (auto& sync : out_.syncs) {
      for (double& wait : sync.waits) wait /= sync.calls;
      sync.calls /= passes;
    }
    for (double* sum : {&out_.work, &out_.path, &out_.path_work}) *sum /= passes;
    std::ranges::stable_sort(out_.layers, std::ranges::greater{}, &TraceSummary::Layer::total);
    std::ranges::stable_sort(out_.syncs, std::ranges::greater{}, [](auto& sync) {
      return sync.calls * std::accumulate(sync.waits.begin(), sync.waits.end(), 0.0);
    });
    std::ranges::stable_sort(out_.tracks, {}, [](auto& track) { return track.name.size(); });
  }

  const TraceData& t_;
  TraceSummary out_;
  std::vector<std::vector<const TraceData::Event*>> of_run_;
  std::vector<int> layer_;                          // by name, -1 = not seen
  std::map<std::string, size_t> point_;             // sync points
  std::map<int, std::pair<double, int64_t>> busy_;  // by track: seconds and events
};

}  // namespace

double TraceSummary::Layer::total() const {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0);
}

int TraceSummary::Sync::straggler() const {
  return int(std::ranges::max_element(last) - last.begin());
}

TraceSummary summarize(const TraceData& trace) { return Summarizer(trace).run(); }

}  // namespace braid::cli
