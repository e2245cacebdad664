// What stands behind an Executor: a plan whose bodies run on the host, or one whose work is
// enqueued on devices.
#pragma once
#include <chrono>

#include <braid/runtime/executor.h>

namespace braid {

/// Nanoseconds of the steady clock.
inline int64_t now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

class Execution {
 public:
  virtual ~Execution() = default;
  virtual void run(const StepArgs& args) = 0;
  virtual std::span<const double> totals(size_t result) const = 0;
  virtual void read(size_t result, void* out) const = 0;

  /// A hook hangs that may still touch this, and all that it was made with.
  virtual bool gave_up() const { return false; }

  virtual std::string track(int worker) const { return "worker " + std::to_string(worker); }

  bool check_finite = false;
  std::function<void(int)> on_step;
  std::vector<SyncDigest> digests;
  bool timing = false;
  std::vector<StepTime> times;
  int64_t replayed = 0;  ///< steps
};

std::unique_ptr<Execution> make_host_execution(const Plan& plan, const Registry& registry,
                                               State& state, Memory& memory,
                                               const ExecutorOptions& options);
/// For plans with streams.
std::unique_ptr<Execution> make_stream_execution(const Plan& plan, const Registry& registry,
                                                 State& state, Memory& memory,
                                                 const ExecutorOptions& options);

/// Throws Error(device, "E0504") unless the offer is the one that the plan was made for.
void require_same(const KernelUse& use, const std::optional<Offer>& offer);

/// A slice of what the host gave, where the host put it. Throws Error(data, "E0350") for an input
/// that was not given.
const std::byte* slice_of(const Plan& plan, const Slot& slot,
                          const std::vector<const void*>& inputs);

}  // namespace braid
