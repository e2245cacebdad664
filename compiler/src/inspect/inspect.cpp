#include <braid/compiler/inspect.h>

#include <algorithm>
#include <map>

namespace braid {
namespace {

bool on_gemm(const std::string& impl) {
  return impl.find("gemm") != impl.npos && impl.find("brgemm") == impl.npos;
}

int device_of(const Plan& plan, int replica) {
  return int(int64_t(replica) * int64_t(plan.devices.size()) / plan.replicas);
}

class Inspection {
 public:
  explicit Inspection(const Plan& plan) : p_(plan) {}

  PlanSummary run() {
    s_.nodes.assign(size_t(p_.replicas), 0);
    s_.strands = int64_t(p_.strands.size());
    s_.streams = p_.streams;
    for (auto& strand : p_.strands) {
      s_.events += strand.event;
      s_.waits += int64_t(strand.waits.size());
    }
    devices();
    for (auto& step : p_.steps) this->step(step);
    for (auto& [key, steps] : kernels_) s_.kernels.push_back({key.first, key.second, steps});
    syncs();
    return std::move(s_);
  }

 private:
  void devices() {
    int64_t state = 0;
    for (auto& var : p_.states) state += var.type.bytes(0);
    for (size_t d = 0; d < p_.devices.size(); ++d)
      s_.devices.push_back({.name = p_.devices[d], .arena = p_.arena[d], .state = state});
    for (int r = 0; r < p_.replicas; ++r)
      s_.devices[size_t(device_of(p_, r))].replicas.push_back(r);
  }

  void step(const Step& step) {
    auto& device = s_.devices[size_t(step.device)];
    ++device.steps;
    if (step.kind == StepKind::transfer) return transfer(step, device);
    if (step.kind == StepKind::sum) return sum(step);
    if (step.kind == StepKind::gate) return;
    if (step.kind == StepKind::hook) return;
    auto& kernel = p_.kernels[size_t(step.kernel)];
    ++kernels_[{kernel.signature.op, kernel.impl}];
    s_.ganged += step.parts > 0;
    if (on_gemm(kernel.impl)) s_.gemm.push_back(describe(p_, step) + ": " + kernel.impl);
    if (step.hi > step.lo && p_.nodes[size_t(step.node)].sync)
      ++s_.merges;
    else
      ++(step.replica < 0 ? s_.common : s_.nodes[size_t(step.replica)]);
  }

  void transfer(const Step& step, PlanSummary::DeviceRow& device) {
    int64_t bytes = 0;
    for (int slot : p_.out(step)) bytes += p_.slots[size_t(slot)].bytes;
    ++device.transfers, ++s_.transfers;
    device.transfer_bytes += bytes, s_.transfer_bytes += bytes;
  }

  void sum(const Step& step) {
    auto& kernel = p_.kernels[size_t(step.kernel)];
    ++kernels_[{kernel.signature.op, kernel.impl}];
    ++s_.sums;
    for (auto& operand : kernel.signature.out) s_.sum_bytes += operand.bytes();
  }

  void syncs() {
    for (auto& sync : p_.syncs) {
      ++(sync.backward ? s_.syncs_backward : s_.syncs_forward);
      (sync.backward ? s_.sync_bytes_backward : s_.sync_bytes_forward) += sync.bytes;
      if (sync.part != 0) continue;  // travels along
      ++(sync.backward ? s_.exchanges_backward : s_.exchanges_forward);
      s_.device_exchanges += spans_devices(sync);
    }
  }

  bool spans_devices(const SyncPoint& sync) const {
    int size = sync.group ? sync.group : p_.replicas;
    for (int first = 0; first < p_.replicas; first += size)
      if (device_of(p_, first) != device_of(p_, std::min(p_.replicas, first + size) - 1))
        return true;
    return false;
  }

  const Plan& p_;
  PlanSummary s_;
  std::map<std::pair<std::string, std::string>, int64_t> kernels_;
};

}  // namespace

PlanSummary inspect(const Plan& plan) { return Inspection(plan).run(); }

}  // namespace braid
