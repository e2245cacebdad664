// Which stream of its device a strand is enqueued on, and where one waits for another: the events.
// Stream 0 has what is common to the replicas of a device (ganged launches, merges, the optimizer),
// the next ones the replicas, the last one what joins devices. A strand waits for an event only
// where neither the order of its stream nor another wait implies that it comes later. Strands that
// join devices take turns in the order of the plan: libraries that move data between devices want
// to be called in one order everywhere.
#include <algorithm>
#include <utility>

#include "passes.h"

namespace braid {
namespace {

constexpr int replica_streams = 4;

class Streams {
 public:
  explicit Streams(Plan& plan) : p_(plan), devices_(int(plan.devices.size())) {
    const int local = (p_.replicas + devices_ - 1) / devices_;
    lanes_ = std::min(local, replica_streams);
    p_.streams = lanes_ + 2;
  }

  void run() {
    std::vector<int> last(size_t(devices_ * p_.streams), -1);
    for (size_t i = 0; i < p_.strands.size(); ++i) {
      auto& strand = p_.strands[i];
      std::ranges::sort(strand.preds);
      strand.stream = stream_of(strand);
      int& before = last[at(strand)];
      before_.push_back(before);
      // What is enqueued on one stream runs in the order of the plan, in whatever order the
      // scheduler would get there.
      if (before >= 0 && !std::ranges::binary_search(strand.preds, before))
        strand.preds.insert(std::ranges::lower_bound(strand.preds, before), before);
      before = int(i);
    }
    find_waits();
    take_turns();
  }

 private:
  bool joins(int step) const { return between_devices(p_.steps[size_t(step)]); }

  void take_turns() {
    int before = -1;
    for (size_t i = 0; i < p_.strands.size(); ++i) {
      auto& strand = p_.strands[i];
      if (std::ranges::none_of(strand.steps, [&](int s) { return joins(s); })) continue;
      strand.turn = std::exchange(before, int(i));
    }
  }

  size_t at(const Strand& s) const { return size_t(s.device * p_.streams + s.stream); }

  int stream_of(const Strand& strand) const {
    if (std::ranges::all_of(strand.steps, [&](int s) { return joins(s); })) return p_.streams - 1;
    auto& first = p_.steps[size_t(strand.steps[0])];
    if (first.replica < 0 || between_devices(first)) return 0;
    return 1 + first.replica % lanes_;
  }

  // done_[s]: for each stream the last strand that is done when s is. The latest predecessors are
  // looked at first: what they imply needs no event of its own.
  void find_waits() {
    const size_t streams = size_t(devices_ * p_.streams);
    done_.assign(p_.strands.size() * streams, -1);
    auto row = [&](size_t s) { return done_.begin() + long(s * streams); };
    for (size_t i = 0; i < p_.strands.size(); ++i) {
      auto& strand = p_.strands[i];
      auto mine = row(i);
      auto join = [&](size_t other) {
        for (size_t k = 0; k < streams; ++k)
          mine[long(k)] = std::max(mine[long(k)], row(other)[long(k)]);
      };
      if (before_[i] >= 0) join(size_t(before_[i]));
      for (size_t k = strand.preds.size(); k-- > 0;) {
        int q = strand.preds[k];
        auto& pred = p_.strands[size_t(q)];
        if (mine[long(at(pred))] >= q) continue;
        strand.waits.push_back(q);
        pred.event = true;
        join(size_t(q));
      }
      std::ranges::reverse(strand.waits);
      mine[long(at(strand))] = int(i);
    }
  }

  Plan& p_;
  int devices_, lanes_;
  std::vector<int> before_;  // strand -> the one before it on its stream
  std::vector<int> done_;
};

}  // namespace

void assign_streams(Plan& plan) { Streams(plan).run(); }

}  // namespace braid
