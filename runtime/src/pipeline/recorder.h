// Calls of stages, for a trace: each thread keeps its own. A callable that waits in TBB may find
// itself in the call of another stage meanwhile; then its event is cut in two, as events of one
// track never overlap.
#pragma once
#include <cstdint>
#include <mutex>
#include <vector>

#include "execution.h"
#include "trace/stage_trace.h"

namespace braid {

class Recorder {
 public:
  Recorder(size_t slots, int64_t room) : slots_(slots), room_(size_t(room) / (slots + 1)) {}

  void begin(int slot, StageTrace::Event event) {
    Slot& s = slots_[size_t(slot)];
    event.begin = now();
    if (!s.open.empty() && s.open.back().begin < event.begin) keep(s, s.open.back(), event.begin);
    s.open.push_back(event);
  }
  void end(int slot) {
    Slot& s = slots_[size_t(slot)];
    const int64_t time = now();
    keep(s, s.open.back(), time);
    s.open.pop_back();
    if (!s.open.empty()) s.open.back().begin = time;
  }
  void drop(int stage) {
    const std::lock_guard lock(mutex_);
    if (drops_of_.size() <= size_t(stage)) drops_of_.resize(size_t(stage) + 1);
    const int64_t count = ++drops_of_[size_t(stage)];
    if (drops_.size() < room_) drops_.push_back({stage, now(), count});
  }
  /// All of it, when the run is over.
  void give(StageTrace& to) {
    for (size_t i = 0; i < slots_.size(); ++i) to.tracks[i].events = std::move(slots_[i].events);
    to.drops = std::move(drops_);
  }

 private:
  struct alignas(64) Slot {
    std::vector<StageTrace::Event> events = {}, open = {};
  };
  void keep(Slot& s, StageTrace::Event event, int64_t end) const {
    event.end = end;
    if (s.events.size() < room_) s.events.push_back(event);
  }

  std::vector<Slot> slots_;
  size_t room_;  // events of one slot
  std::mutex mutex_;
  std::vector<int64_t> drops_of_;  // by stage
  std::vector<StageTrace::Drop> drops_;
};

/// One call, from here to the end of the scope. Without a recorder nothing.
class Recorded {
 public:
  Recorded(Recorder* recorder, int slot, int stage, int64_t number, size_t items = 1)
      : recorder_(recorder), slot_(slot) {
    if (recorder_)
      recorder_->begin(slot, {.stage = stage, .item = number + 1, .items = int64_t(items)});
  }
  ~Recorded() {
    if (recorder_) recorder_->end(slot_);
  }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;

 private:
  Recorder* recorder_;
  int slot_;
};

}  // namespace braid
