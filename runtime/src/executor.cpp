#include <braid/runtime/executor.h>

#include "execution.h"
#include "kept.h"

namespace braid {

struct Executor::Impl {
  const Plan& plan;
  std::shared_ptr<Execution> execution;
};

// A plan made for another machine must not run here with other bits.
void require_same(const KernelUse& use, const std::optional<Offer>& offer) {
  if (offer && offer->impl == use.impl) return;
  throw Error(Fault::device, "E0504",
              "the plan was made for the kernel '" + use.impl + "' of '" + use.signature.op +
                  "', this machine offers " + (offer ? "'" + offer->impl + "'" : "none"));
}

const std::byte* slice_of(const Plan& plan, const Slot& slot,
                          const std::vector<const void*>& inputs) {
  auto base = static_cast<const std::byte*>(inputs.at(size_t(slot.input)));
  if (!base)
    throw Error(Fault::data, "E0350",
                "input '" + plan.inputs[size_t(slot.input)].name + "' is needed and not given");
  return base + slot.offset;
}

Executor::Executor(const Plan& plan, const Registry& registry, State& state, Memory& memory,
                   ExecutorOptions options)
    : impl_(new Impl{plan, (plan.streams ? make_stream_execution : make_host_execution)(
                               plan, registry, state, memory, options)}) {}

Executor::~Executor() {
  if (gave_up()) keep_until_exit(std::move(impl_->execution));
}

bool Executor::gave_up() const { return impl_->execution->gave_up(); }

void Executor::run(const StepArgs& args) { impl_->execution->run(args); }
std::span<const double> Executor::totals(size_t result) const {
  return impl_->execution->totals(result);
}
void Executor::read(size_t result, void* out) const { impl_->execution->read(result, out); }
void Executor::check_finite(bool on) { impl_->execution->check_finite = on; }
void Executor::on_step(std::function<void(int)> hook) {
  impl_->execution->on_step = std::move(hook);
}
const std::vector<SyncDigest>& Executor::digests() const { return impl_->execution->digests; }
void Executor::time_steps(bool on) {
  impl_->execution->timing = on;
  if (!on) impl_->execution->times.clear();
}
std::span<const StepTime> Executor::times() const { return impl_->execution->times; }
std::string Executor::track(int worker) const { return impl_->execution->track(worker); }
int64_t Executor::replayed() const { return impl_->execution->replayed; }
const Plan& Executor::plan() const { return impl_->plan; }

}  // namespace braid
