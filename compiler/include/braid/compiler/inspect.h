// What a plan amounts to: counts, bytes and implementations, for `braid plan`, reports and tests.
//
//   PlanSummary s = inspect(plan);
//   s.syncs_forward, s.exchanges_forward;      // so many values are merged, in so many exchanges
//   for (auto& k : s.kernels) k.op, k.impl, k.steps;
#pragma once
#include <string>
#include <vector>

#include <braid/core/plan.h>

namespace braid {

struct PlanSummary {
  struct KernelRow {
    std::string op, impl;
    int64_t steps = 0;
    bool operator==(const KernelRow&) const = default;
  };
  struct DeviceRow {
    std::string name;
    std::vector<int> replicas;
    int64_t steps = 0;
    int64_t arena = 0;  ///< bytes of activations, gradients and partial results, at their peak
    int64_t state = 0;  ///< bytes of parameters, buffers and optimizer state
    int64_t transfers = 0, transfer_bytes = 0;  ///< that come in from other devices
  };

  std::vector<int64_t> nodes;  ///< steps of each replica
  int64_t common = 0;  ///< steps that belong to no replica: once on each device that needs it
  int64_t merges = 0, strands = 0;
  /// Of devices with queues: launches that serve several replicas (or merges) at once, streams of
  /// each device, and the events that strands of other streams wait for.
  int64_t ganged = 0, streams = 0, events = 0, waits = 0;
  std::vector<KernelRow> kernels;  ///< by operation and implementation
  std::vector<DeviceRow> devices;
  int64_t transfers = 0, transfer_bytes = 0;      ///< messages between devices
  int64_t sums = 0, sum_bytes = 0;                ///< by `reduce: fast`; bytes of one device
  int64_t syncs_forward = 0, syncs_backward = 0;  ///< values that are merged in one step
  /// Exchanges they travel in, and how many of these join replicas on several devices.
  int64_t exchanges_forward = 0, exchanges_backward = 0, device_exchanges = 0;
  /// Of one participant.
  int64_t sync_bytes_forward = 0, sync_bytes_backward = 0;
  int64_t exchanges() const { return exchanges_forward + exchanges_backward; }
  /// Steps on implementations whose bits may depend on the batch or the threads.
  std::vector<std::string> gemm;
};

PlanSummary inspect(const Plan& plan);

}  // namespace braid
