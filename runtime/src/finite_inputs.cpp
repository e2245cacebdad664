#include "finite_inputs.h"

#include <braid/core/error.h>

#include "finite.h"

namespace braid {
namespace {

// The first sample of an input that holds what is no number.
void check_input(const Plan& plan, const std::vector<const void*>& given, int64_t step_number,
                 const std::vector<const Slot*>& feeds, int index) {
  auto& input = plan.inputs[size_t(index)];
  const auto data = static_cast<const std::byte*>(given[size_t(index)]);
  const int64_t count = input.type.elements(plan.batch);
  const int64_t at = first_not_finite(data, input.type.dtype, count);
  if (at < 0) return;
  std::string where = "input '" + input.name + "'";
  const int64_t each = input.type.batched() ? input.type.elements(1) : count;
  const int64_t sample = at / each, byte = sample * input.type.bytes(1);
  if (input.type.batched()) {
    int64_t row = 0;
    for (auto& micro : plan.slices)
      for (size_t r = 0; r < micro.size(); row += micro[r++])
        if (row <= sample && sample < row + micro[r]) where += ", replica " + std::to_string(r);
    for (auto* feed : feeds) {
      auto& slot = *feed;
      if (slot.input != index || byte < slot.offset || byte >= slot.offset + slot.bytes) continue;
      where += ", " + plan.devices[size_t(slot.device)];
      break;
    }
    where += ", sample " + std::to_string(sample);
  }
  const auto from = data + (input.type.batched() ? byte : 0);
  throw Error(Fault::run, "E0414",
              where + ", step " + std::to_string(step_number) +
                  ": not finite: " + what_is_not_finite(from, input.type.dtype, each),
              input.mark)
      .help("samples count from 0 within the batch; look at the data there");
}

}  // namespace

void check_inputs(const Plan& plan, const std::vector<const void*>& given, int64_t step_number) {
  std::vector<bool> used(plan.inputs.size(), false);
  std::vector<const Slot*> feeds;
  for (int s : plan.operands) {
    auto& slot = plan.slots[size_t(s)];
    if (slot.input < 0) continue;
    used[size_t(slot.input)] = true;
    feeds.push_back(&slot);
  }
  for (size_t i = 0; i < used.size(); ++i)
    if (used[i]) check_input(plan, given, step_number, feeds, int(i));
}

}  // namespace braid
