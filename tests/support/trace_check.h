// Judges a trace: what a viewer needs so that it shows what happened.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace braid::test {

/// Events of one track never overlap, arrows begin and end in events, no event begins before what
/// it waited for has ended, and each lies in its step.
class TraceCheck {
 public:
  using Json = nlohmann::json;

  explicit TraceCheck(const std::string& text) : trace_(Json::parse(text)) {
    for (auto& event : trace_.at("traceEvents")) {
      const auto phase = event.at("ph").get<std::string>();
      if (phase == "X") take(event);
      if (phase == "M" && event.at("name") == "thread_name")
        names_[event.at("tid")] = event.at("args").at("name");
    }
    for (auto& [tid, spans] : tracks_)
      std::ranges::sort(spans, {}, [](auto& span) { return std::pair(span.begin, span.end); });
    overlaps();
    arrows();
    order();
  }

  /// What is wrong; none = nothing.
  const std::vector<std::string>& faults() const { return faults_; }
  size_t events() const { return count_; }
  size_t arrow_count() const { return arrows_; }
  const Json& trace() const { return trace_; }
  const std::map<int, std::string>& names() const { return names_; }

 private:
  struct Span {
    int64_t begin, end;
    Json event;
  };

  static int64_t time(const Json& event, const char* key) {
    return std::llround(event.at(key).get<double>() * 1000);
  }

  void take(const Json& event) {
    const int64_t begin = time(event, "ts"), end = begin + time(event, "dur");
    tracks_[event.at("tid")].push_back({begin, end, event});
    auto& args = event.at("args");
    const int run = args.at("run");
    if (event.at("cat") == "step")
      runs_[run] = {begin, end, event};
    else
      of_run_[run][args.at("task")] = {begin, end, event};
    ++count_;
  }

  void fault(const std::string& what, const Json& event) {
    if (faults_.size() < 5) faults_.push_back(what + ": " + event.dump());
  }

  void overlaps() {
    for (auto& [tid, spans] : tracks_) {
      if (!names_.contains(tid)) fault("a track without a name", spans[0].event);
      for (size_t i = 1; i < spans.size(); ++i)
        if (spans[i].begin < spans[i - 1].end) fault("overlaps", spans[i].event);
    }
  }

  bool inside(const Json& event) const {
    const int64_t at = time(event, "ts");
    auto track = tracks_.find(event.at("tid"));
    return track != tracks_.end() && std::ranges::any_of(track->second, [&](auto& span) {
             return span.begin <= at && at <= span.end;
           });
  }

  void arrows() {
    std::map<int64_t, int64_t> open;
    for (auto& event : trace_.at("traceEvents")) {
      const auto phase = event.at("ph").get<std::string>();
      if (phase != "s" && phase != "f") continue;
      ++arrows_;
      if (!inside(event)) fault("an arrow's end in no event", event);
      const int64_t id = event.at("id");
      if (phase == "s" && !open.emplace(id, time(event, "ts")).second) fault("twice", event);
      if (phase == "s") continue;
      auto from = open.find(id);
      if (from == open.end() || from->second > time(event, "ts")) fault("points back", event);
      if (from != open.end()) open.erase(from);
    }
    if (!open.empty()) faults_.push_back("arrows without an end");
  }

  void order() {
    auto& programs = trace_.at("otherData").at("programs");
    for (auto& [run, tasks] : of_run_) {
      if (!runs_.contains(run)) {
        faults_.push_back("events of no step");
        continue;
      }
      auto& whole = runs_.at(run);
      auto& after = programs.at(whole.event.at("args").at("program").get<size_t>()).at("after");
      for (auto& [task, span] : tasks) {
        if (span.begin < whole.begin || span.end > whole.end) fault("not in its step", span.event);
        for (int before : after.at(size_t(task)))
          if (auto at = tasks.find(before); at != tasks.end() && at->second.end > span.begin)
            fault("begins too early", span.event);
      }
    }
  }

  Json trace_;
  std::vector<std::string> faults_;
  std::map<int, std::string> names_;
  std::map<int, std::vector<Span>> tracks_;
  std::map<int, Span> runs_;
  std::map<int, std::map<int, Span>> of_run_;
  size_t count_ = 0, arrows_ = 0;
};

}  // namespace braid::test
