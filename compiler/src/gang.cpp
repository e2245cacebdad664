// On devices whose work is enqueued, the copies of a node that lie on one device become one step:
// one launch serves all replicas there, or the whole local part of a merge tree. A ganged step
// waits for what any of its parts waits for. It closes no cycle: copies of a node depend on each
// other only in a merge tree, whose parts run in their order, and a merge lives with its left
// operand, so that devices wait for each other from right to left only.
#include <algorithm>
#include <map>

#include "passes.h"

namespace braid {
namespace {

class Gang {
 public:
  Gang(Plan& plan, Order& order) : p_(plan), order_(order) {}

  void run() {
    find_groups();
    auto steps = std::exchange(p_.steps, {});
    auto operands = std::exchange(p_.operands, {});
    auto preds = std::exchange(order_.preds, {});
    operands_ = std::move(operands);
    moved_.assign(steps.size(), -1);
    for (size_t i = 0; i < steps.size(); ++i) {
      auto& group = groups_[size_t(group_of_[i])];
      if (moved_[size_t(group[0])] < 0) {
        moved_[size_t(group[0])] = int(p_.steps.size());
        p_.steps.push_back(group.size() == 1 ? alone(steps[i]) : joined(steps, group));
        order_.preds.emplace_back();
      }
      moved_[i] = moved_[size_t(group[0])];
    }
    for (size_t i = 0; i < preds.size(); ++i)
      for (int q : preds[i])
        if (moved_[i] != moved_[size_t(q)]) order_.add(moved_[i], moved_[size_t(q)]);
  }

 private:
  void find_groups() {
    std::map<std::pair<int, int>, int> by_node;  // node, device
    group_of_.resize(p_.steps.size());
    for (size_t i = 0; i < p_.steps.size(); ++i) {
      auto& step = p_.steps[i];
      int group = int(groups_.size());
      if (step.kind == StepKind::kernel && p_.kernels[size_t(step.kernel)].gang)
        group = by_node.try_emplace({step.node, step.device}, group).first->second;
      if (group == int(groups_.size())) groups_.emplace_back();
      groups_[size_t(group)].push_back(int(i));
      group_of_[i] = group;
    }
  }

  void append(const Step& step, bool outputs) {
    auto from = operands_.begin() + step.first + (outputs ? step.inputs : 0);
    p_.operands.insert(p_.operands.end(), from, from + (outputs ? step.outputs : step.inputs));
  }

  Step alone(Step step) {
    int first = int(p_.operands.size());
    append(step, false);
    append(step, true);
    step.first = first;
    return step;
  }

  // Parts stand in the order of the steps: that of the replicas, and of a tree from its leaves up.
  Step joined(const std::vector<Step>& steps, const std::vector<int>& group) {
    Step all = steps[size_t(group.back())];  // a tree is known by its root
    all.replica = -1;
    all.first = int(p_.operands.size());
    all.inputs = all.outputs = 0;
    all.first_part = int(p_.parts.size());
    all.parts = int(group.size());
    for (int i : group) {
      auto& s = steps[size_t(i)];
      p_.parts.push_back({s.kernel, s.replica, s.lo, s.hi, s.inputs, s.outputs, s.first_sample});
      append(s, false);
      all.inputs += s.inputs;
    }
    for (int i : group) {
      append(steps[size_t(i)], true);
      all.outputs += steps[size_t(i)].outputs;
    }
    return all;
  }

  Plan& p_;
  Order& order_;
  std::vector<std::vector<int>> groups_;
  std::vector<int> group_of_, moved_, operands_;
};

}  // namespace

void gang(Plan& plan, Order& order) {
  if (std::ranges::any_of(plan.kernels, &KernelUse::gang)) Gang(plan, order).run();
}

}  // namespace braid
