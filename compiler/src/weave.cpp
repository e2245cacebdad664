// Lanes and strands. A lane is a sequential queue: a replica on a device, or a sync. A step's depth
// is the largest number of lane changes on a path to it; a lane runs by (depth, topological
// position) and is cut after each step that another lane waits for. The pieces are the strands,
// acyclic by construction; each is one task.
#include <algorithm>
#include <tuple>

#include "passes.h"

namespace braid {
namespace {

// Successors in one flat array.
struct Successors {
  std::vector<int> begin, list;
  Successors(const std::vector<std::vector<int>>& preds) : begin(preds.size() + 1, 0) {
    for (auto& p : preds)
      for (int q : p) ++begin[size_t(q) + 1];
    for (size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
    list.resize(size_t(begin.back()));
    std::vector<int> at(begin.begin(), begin.end() - 1);
    for (size_t i = 0; i < preds.size(); ++i)
      for (int q : preds[i]) list[size_t(at[size_t(q)]++)] = int(i);
  }
  std::span<const int> of(int i) const {
    return {list.data() + begin[size_t(i)], size_t(begin[size_t(i) + 1] - begin[size_t(i)])};
  }
};

class Weaver {
 public:
  Weaver(Plan& plan, Order& order, bool hooks_alone)
      : p_(plan), preds_(order.preds), succ_((tidy(), preds_)), hooks_alone_(hooks_alone) {}

  void run() {
    assign_lanes();
    cut();
    link();
    number();
  }

 private:
  void tidy() {
    for (auto& list : preds_) {
      std::ranges::sort(list);
      list.erase(std::unique(list.begin(), list.end()), list.end());
    }
  }

  bool of_replica(const Step& s) const { return s.replica >= 0 && s.kind != StepKind::transfer; }

  // A common step continues the lane of its only predecessor when nothing else waits for that one.
  int lane_of(int i) {
    auto& s = p_.steps[size_t(i)];
    if (of_replica(s)) return s.replica;
    if (preds_[size_t(i)].size() == 1) {
      int q = preds_[size_t(i)][0];
      auto& pred = p_.steps[size_t(q)];
      if (!of_replica(pred) && pred.device == s.device && succ_.of(q).size() == 1) return pred.lane;
    }
    return p_.lanes++;
  }

  void assign_lanes() {
    size_t n = p_.steps.size();
    std::vector<int> waiting(n), order;
    position_.assign(n, 0);
    depth_.assign(n, 0);
    order.reserve(n);
    for (size_t i = 0; i < n; ++i)
      if (!(waiting[i] = int(preds_[i].size()))) order.push_back(int(i));
    p_.lanes = p_.replicas;
    for (size_t head = 0; head < order.size(); ++head) {
      int i = order[head];
      position_[size_t(i)] = int(head);
      auto& s = p_.steps[size_t(i)];
      s.lane = lane_of(i);
      for (int q : preds_[size_t(i)])
        depth_[size_t(i)] =
            std::max(depth_[size_t(i)], depth_[size_t(q)] + (p_.steps[size_t(q)].lane != s.lane));
      for (int t : succ_.of(i))
        if (!--waiting[size_t(t)]) order.push_back(t);
    }
    ensure(order.size() == n, "the plan has a cycle");
  }

  void cut() {
    std::vector<int> by(p_.steps.size()), last(size_t(p_.lanes), -1);
    for (size_t i = 0; i < by.size(); ++i) by[i] = int(i);
    std::ranges::sort(by, {}, [&](int i) {
      return std::tuple(p_.steps[size_t(i)].lane, depth_[size_t(i)], position_[size_t(i)]);
    });
    int lane = -1, depth = -1;
    bool waited_for = true;
    for (int i : by) {
      auto& s = p_.steps[size_t(i)];
      const bool alone = hooks_alone_ && s.kind == StepKind::hook;
      if (waited_for || alone || s.lane != lane || depth_[size_t(i)] != depth) {
        Strand strand{s.device, s.lane};
        if (last[size_t(s.lane)] >= 0) strand.preds.push_back(last[size_t(s.lane)]);
        last[size_t(s.lane)] = int(p_.strands.size());
        p_.strands.push_back(std::move(strand));
      }
      lane = s.lane, depth = depth_[size_t(i)];
      s.strand = int(p_.strands.size()) - 1;
      p_.strands.back().steps.push_back(i);
      waited_for = alone || std::ranges::any_of(succ_.of(i), [&](int t) {
                     return p_.steps[size_t(t)].lane != s.lane;
                   });
    }
  }

  void link() {
    for (auto& strand : p_.strands) {
      for (int i : strand.steps)
        for (int q : preds_[size_t(i)])
          if (p_.steps[size_t(q)].strand != p_.steps[size_t(i)].strand)
            strand.preds.push_back(p_.steps[size_t(q)].strand);
      std::ranges::sort(strand.preds);
      strand.preds.erase(std::unique(strand.preds.begin(), strand.preds.end()), strand.preds.end());
    }
  }

  // Topological numbers: the order of the file is the order of the serial engine.
  void number() {
    size_t n = p_.strands.size();
    std::vector<std::vector<int>> preds(n);
    for (size_t i = 0; i < n; ++i) preds[i] = p_.strands[i].preds;
    Successors succ(preds);
    std::vector<int> waiting(n), order, numbers(n);
    for (size_t i = 0; i < n; ++i)
      if (!(waiting[i] = int(preds[i].size()))) order.push_back(int(i));
    for (size_t head = 0; head < order.size(); ++head) {
      numbers[size_t(order[head])] = int(head);
      for (int t : succ.of(order[head]))
        if (!--waiting[size_t(t)]) order.push_back(t);
    }
    ensure(order.size() == n, "the strands have a cycle");
    std::vector<Strand> sorted;
    sorted.reserve(n);
    for (int i : order) {
      sorted.push_back(std::move(p_.strands[size_t(i)]));
      for (int& q : sorted.back().preds) q = numbers[size_t(q)];
    }
    p_.strands = std::move(sorted);
    for (auto& s : p_.steps) s.strand = numbers[size_t(s.strand)];
  }

  Plan& p_;
  std::vector<std::vector<int>>& preds_;
  Successors succ_;
  bool hooks_alone_;
  std::vector<int> depth_, position_;
};

}  // namespace

void weave(Plan& plan, Order& order, bool hooks_alone) { Weaver(plan, order, hooks_alone).run(); }

}  // namespace braid
