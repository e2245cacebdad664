// Steps on devices. Replica r lives on device r * D / R; a merge lives with its left operand; what
// is common runs on every device that needs it (the optimizer on all, so weights never travel). The
// values of a bundle travel together: one transfer takes what a merge needs from another device,
// and one brings all that a merge made.
#include <map>
#include <unordered_map>

#include "operands.h"
#include "passes.h"

namespace braid {
namespace {

class Placement {
 public:
  Placement(const Graph& graph, const Expanded& expanded, Plan& plan, Order& order)
      : g_(graph), e_(expanded), p_(plan), order_(order), devices_(int(plan.devices.size())) {
    slot_.assign(e_.values.size() * size_t(devices_), -1);
  }

  void run() {
    p_.steps.reserve(e_.nodes.size() + e_.nodes.size() / 8 + 1);
    p_.operands.reserve(e_.operands.size() * 2);
    find_homes();
    for (size_t i = 0; i < e_.nodes.size(); ++i)
      for (int d = 0; d < devices_; ++d)
        if (homes_[i] >> d & 1) place(int(i), d);
    results();
    gate();
  }

 private:
  int device_of(int replica) const { return braid::device_of(replica, devices_, p_.replicas); }

  void find_homes() {
    need_.assign(e_.values.size(), 0);
    homes_.assign(e_.nodes.size(), 0);
    for (auto& result : g_.results) {
      int common = e_.common[size_t(result.value)];
      if (common >= 0) need_[size_t(common)] |= 1;
      auto& at = e_.at[size_t(result.value)];
      for (size_t r = 0; common < 0 && r < at.size(); ++r)
        if (at[r] >= 0) need_[size_t(at[r])] |= uint64_t{1} << device_of(int(r));
    }
    for (size_t i = e_.nodes.size(); i-- > 0;) {
      auto& node = e_.nodes[i];
      uint64_t where = 0;
      if (node.replica >= 0)
        where = uint64_t{1} << device_of(node.replica);
      else if (node.merge())
        where = uint64_t{1} << device_of(node.lo);
      else if (g_.nodes[size_t(node.logical)].op->effect)
        where = 1;
      else if (!g_.nodes[size_t(node.logical)].op->writes.empty())
        where = devices_ == 64 ? ~uint64_t{0} : (uint64_t{1} << devices_) - 1;
      else
        for (int v : e_.out(node)) where |= need_[size_t(v)];
      homes_[i] = where;
      for (int v : e_.in(node))
        if (!node.sum) need_[size_t(v)] |= where;  // it takes parts where they are
    }
  }

  int& slot(int value, int device) {
    return slot_[size_t(value) * size_t(devices_) + size_t(device)];
  }

  int new_slot(int value, int device) {
    auto& ev = e_.values[size_t(value)];
    auto& v = g_.values[size_t(ev.logical)];
    Slot s{.device = device,
           .bytes = operand_of(v, ev.n).bytes(),
           .state = v.state,
           .input = v.input,
           .value = ev.logical};
    if (v.input >= 0 && ev.replica >= 0) {
      int64_t row = e_.rows[size_t(v.micro)][size_t(ev.replica)];
      s.offset = v.type.bytes(1) * row;
    }
    p_.slots.push_back(s);
    maker_.push_back(-1);
    return slot(value, device) = int(p_.slots.size()) - 1;
  }

  // The slot of a value on a device; fetched from another device where it is not at hand.
  int find(int value, int device) {
    if (int have = slot(value, device); have >= 0) return have;
    auto& ev = e_.values[size_t(value)];
    auto& v = g_.values[size_t(ev.logical)];
    if (v.state >= 0 || v.input >= 0) return new_slot(value, device);
    auto& maker = e_.nodes[size_t(ev.node)];
    if (maker.merge() && maker.outputs > 1)
      fetch(e_.out(maker), device);
    else
      fetch(std::span(&value, 1), device);
    ensure(slot(value, device) >= 0, "a value is used before it is made");
    return slot(value, device);
  }

  int source_of(int value) {
    int from = 0;
    while (from < devices_ && slot(value, from) < 0) ++from;
    return from;
  }

  // Brings what of `values` the device needs and has not: one transfer for each device it lies on.
  void fetch(std::span<const int> values, int device) {
    std::map<int, std::vector<int>> from;
    for (int value : values)
      if (need_[size_t(value)] >> device & 1 && slot(value, device) < 0)
        if (int source = source_of(value); source < devices_) from[source].push_back(value);
    for (auto& [source, wanted] : from) transfer(wanted, source, device);
  }

  void transfer(std::span<const int> values, int source, int device) {
    std::vector<int> in, out;
    for (int value : values) in.push_back(slot(value, source));
    for (int value : values) out.push_back(new_slot(value, device));
    Step step{.kind = StepKind::transfer, .device = device};
    auto& node = e_.nodes[size_t(e_.values[size_t(values[0])].node)];
    step.node = node.logical, step.lo = node.lo, step.hi = node.hi, step.replica = node.replica;
    int id = add(step, in, out);
    for (int s : in) order_.add(id, maker_[size_t(s)]);
    for (int s : out) maker_[size_t(s)] = id;
  }

  int add(Step step, std::span<const int> in, std::span<const int> out) {
    step.first = int(p_.operands.size());
    step.inputs = int(in.size());
    step.outputs = int(out.size());
    p_.operands.insert(p_.operands.end(), in.begin(), in.end());
    p_.operands.insert(p_.operands.end(), out.begin(), out.end());
    p_.steps.push_back(step);
    order_.preds.emplace_back();
    return int(p_.steps.size()) - 1;
  }

  void place(int index, int device) {
    auto& node = e_.nodes[size_t(index)];
    if (node.sum) return sum(node);
    auto& logical = g_.nodes[size_t(node.logical)];
    auto& writes = logical.op->writes;
    std::vector<int> in, out;
    if (node.merge() && node.outputs > 1) fetch(e_.in(node), device);
    for (int v : e_.in(node)) in.push_back(find(v, device));
    for (int v : e_.out(node)) out.push_back(new_slot(v, device));
    int hook = logical.op->effect ? int(get_int(logical.attrs, "hook")) : -1;
    int id = add({.kind = hook < 0 ? StepKind::kernel : StepKind::hook,
                  .gated = !writes.empty(),
                  .node = node.logical,
                  .replica = node.replica,
                  .lo = node.lo,
                  .hi = node.hi,
                  .device = device,
                  .kernel = node.kernel,
                  .hook = hook,
                  .first_sample = node.first_sample},
                 in, out);
    for (int s : in)
      if (int m = maker_[size_t(s)]; m >= 0) order_.add(id, m);
    for (; after_ < e_.after.size() && e_.after[after_].first == index; ++after_)
      if (int s = slot(e_.after[after_].second, device); s >= 0 && maker_[size_t(s)] >= 0)
        order_.add(id, maker_[size_t(s)]);
    for (int s : out) maker_[size_t(s)] = id;
    for (int w : writes) {  // node order per variable
      auto [last, fresh] = writer_.try_emplace(in[size_t(w)], id);
      if (!fresh) order_.add(id, last->second);
      last->second = id;
    }
  }

  // One step for all devices: parts are where they were made, sums are everywhere.
  void sum(const ExpandedNode& node) {
    auto parts = e_.in(node), sums = e_.out(node);
    std::vector<int> in, out;
    for (int d = 0; d < devices_; ++d)
      for (size_t k = 0; k < sums.size(); ++k) {
        in.push_back(slot(parts[size_t(d) * sums.size() + k], d));
        ensure(in.back() >= 0, "a device lacks its part of a sum");
        out.push_back(new_slot(sums[k], d));
      }
    int id = add({.kind = StepKind::sum,
                  .node = node.logical,
                  .lo = node.lo,
                  .hi = node.hi,
                  .kernel = node.kernel},
                 in, out);
    for (int s : in) order_.add(id, maker_[size_t(s)]);
    for (int s : out) maker_[size_t(s)] = id;
  }

  void results() {
    for (auto& result : g_.results) {
      PlanResult out{.name = result.name,
                     .kind = result.kind,
                     .type = g_.values[size_t(result.value)].type,
                     .factor = result.factor};
      if (int common = e_.common[size_t(result.value)]; common >= 0) {
        out.slots = {find(common, 0)};
        out.rows = {0};
      } else if (auto& at = e_.at[size_t(result.value)]; !at.empty()) {
        auto micro = size_t(std::max(0, g_.values[size_t(result.value)].micro));
        for (int r = 0; r < p_.replicas; ++r) {
          if (at[size_t(r)] < 0) continue;
          out.slots.push_back(find(at[size_t(r)], device_of(r)));
          out.rows.push_back(e_.rows[micro][size_t(r)]);
        }
      }
      p_.results.push_back(std::move(out));
    }
  }

  // All writes to State stand behind one step that joins every step that can fail.
  void gate() {
    std::vector<bool> followed(p_.steps.size(), false);
    bool any = false;
    for (size_t i = 0; i < p_.steps.size(); ++i) {
      any |= p_.steps[i].gated;
      if (p_.steps[i].gated) continue;
      for (int pred : order_.preds[i]) followed[size_t(pred)] = true;
    }
    if (!any) return;
    std::vector<int> last;
    for (size_t i = 0; i < p_.steps.size(); ++i)
      if (!p_.steps[i].gated && !followed[i]) last.push_back(int(i));
    int id = add({.kind = StepKind::gate}, {}, {});
    order_.preds[size_t(id)] = std::move(last);
    for (int i = 0; i < id; ++i)
      if (p_.steps[size_t(i)].gated) order_.add(i, id);
  }

  const Graph& g_;
  const Expanded& e_;
  Plan& p_;
  Order& order_;
  int devices_;
  std::vector<uint64_t> homes_, need_;  // devices, a bit for each
  std::vector<int> slot_;               // value, device -> slot
  std::vector<int> maker_;              // slot -> step
  std::unordered_map<int, int> writer_;
  size_t after_ = 0;  // how many of Expanded::after are done
};

}  // namespace

void place(const Graph& graph, const Expanded& expanded, Plan& plan, Order& order) {
  Placement(graph, expanded, plan, order).run();
}

}  // namespace braid
