#include "streams/binding.h"

#include <map>
#include <tuple>

#include "failures.h"

namespace braid {
namespace {

int64_t round_up(int64_t bytes, int64_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

// A slice that several steps of a device read is brought once. Slices begin where vector accesses
// may begin, whatever row of the batch they start with.
Offsets::Offsets(const Plan& plan)
    : status(plan.steps.size(), -1),
      counts(plan.steps.size(), -1),
      feed(plan.slots.size(), -1),
      feed_bytes(plan.devices.size(), 0) {
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    auto& step = plan.steps[i];
    if (step.kind != StepKind::kernel || step.gated) continue;
    status[i] = words;
    words += parts_of(step);
  }
  all_words = words;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    if (status[i] < 0) continue;
    counts[i] = all_words;
    all_words += 3 * plan.steps[i].outputs;
  }
  stop = round_up(all_words * 8, 64);
  scalars = stop + 64;
  control_bytes = scalars + round_up(int64_t(sizeof(Scalars)), 64);

  std::map<std::tuple<int, int, int64_t, int64_t>, int64_t> known;
  for (size_t s = 0; s < plan.slots.size(); ++s) {
    auto& slot = plan.slots[s];
    if (slot.input < 0) continue;
    auto& bytes = feed_bytes[size_t(slot.device)];
    auto [entry, fresh] =
        known.try_emplace({slot.device, slot.input, slot.offset, slot.bytes}, bytes);
    if (fresh) bytes += round_up(std::max<int64_t>(slot.bytes, 1), 256);
    feed[s] = entry->second;
  }
}

}  // namespace braid
