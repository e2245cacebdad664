// What the words mean that a step has left behind.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <tuple>

#include <braid/nodes/isa.h>

#include "streams/stream_execution.h"

namespace braid {
namespace {

std::string counted(const int64_t* counts) {
  std::string text;
  if (counts[0]) text = std::to_string(counts[0]) + " NaN";
  if (int64_t infinite = counts[1] + counts[2])
    text += (text.empty() ? "" : ", ") + std::to_string(infinite) + " infinite";
  return text;
}

}  // namespace

// Memory is handed on while a step runs: when it has ended, what a refused operation saw is gone.
// Nothing was written to State, so the step is run again, one operation after the other, and looked
// at behind each. Where a hook has written values that is not the same step.
void StreamExecution::find_refusals() {
  auto mutates = [&](const Step& s) { return s.kind == StepKind::hook && s.outputs > 0; };
  const bool again = std::ranges::none_of(plan_.steps, mutates);
  auto words = [](const Side& side) { return reinterpret_cast<int64_t*>(side.control.at()); };
  for (auto& side : sides_) side.device->fill(origin(), side.control.at(), 0, 8 * offsets_.words);
  auto finish = [&](Side& side, Queue* queue) {
    side.device->record(queue, end_);
    if (!wait_for(*side.device, end_, options_.deadline))
      throw Error(Fault::device, "E0523", "the device has not answered in time");
  };
  finish(sides_[0], origin());
  for (auto& strand : plan_.strands)
    for (int id : strand.steps) {
      auto& step = plan_.steps[size_t(id)];
      if (step.gated || step.kind == StepKind::gate || step.kind == StepKind::hook) continue;
      auto& side = sides_[size_t(step.device)];
      side.device->activate();
      if (again) enqueue_step(id, side, queue_of(strand));
      finish(side, queue_of(strand));
      const int64_t word = offsets_.status[size_t(id)];
      if (word < 0) continue;
      std::vector<int64_t> found(size_t(parts_of(step)));
      const int64_t* back = reinterpret_cast<const int64_t*>(side.back.at()) + word;
      if (again)
        side.device->read(found.data(), words(side) + word, int64_t(8 * found.size()));
      else
        found.assign(back, back + found.size());
      for (size_t p = 0; p < found.size(); ++p)
        if (found[p]) failures_.record(id, diagnose(id, int(p)), int(p));
    }
}

void StreamExecution::collect_faults() {
  bool refused = false;
  for (auto& side : sides_) {
    auto words = reinterpret_cast<const int64_t*>(side.back.at());
    refused |= std::any_of(words, words + offsets_.words, [](int64_t w) { return w != 0; });
  }
  if (refused) find_refusals();
  if (!check_finite) return;
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    if (offsets_.status[i] < 0) continue;
    auto& step = plan_.steps[i];
    auto words = reinterpret_cast<const int64_t*>(sides_[size_t(step.device)].back.at());
    const int64_t* counts = words + offsets_.counts[i];
    for (int p = 0; p < parts_of(step); ++p) {
      int outputs = int(part_of(plan_, step, p).out.size());
      bool told = false;
      for (int k = 0; k < outputs; ++k, counts += 3)
        if (!told && (counts[0] || counts[1] || counts[2])) {
          failures_.record(int(i), not_finite(int(i), k, counts), p);
          told = true;
        }
    }
  }
}

// A kernel only says that it failed. Why, the CPU's kernel of the same operation says: it gets the
// same inputs and throws the same error as it would in a run on the CPU.
std::exception_ptr StreamExecution::diagnose(int id, int p) const {
  auto part = part_of(plan_, plan_.steps[size_t(id)], p);
  try {
    Signature signature = plan_.kernels[size_t(part.step.kernel)].signature;
    for (auto* operands : {&signature.in, &signature.out})
      for (auto& operand : *operands) operand.format.clear();
    auto offer = registry_.offer(signature, {.kind = "cpu", .isa = current_isa()});
    auto& device = *sides_[size_t(part.step.device)].device;
    std::vector<std::unique_ptr<std::byte[]>> memory;
    std::vector<void*> pointers;
    auto take = [&](int64_t bytes) {
      memory.push_back(std::make_unique<std::byte[]>(size_t(bytes) + 64));
      auto at = (reinterpret_cast<uintptr_t>(memory.back().get()) + 63) / 64 * 64;
      pointers.push_back(reinterpret_cast<void*>(at));
      return pointers.back();
    };
    auto& arguments = current_->arguments[size_t(id)][size_t(p)];
    for (size_t k = 0; k < signature.in.size(); ++k)
      device.read(take(signature.in[k].bytes()), arguments.inputs[k], signature.in[k].bytes());
    for (auto& operand : signature.out) take(operand.bytes());
    if (offer && offer->bind) {
      void* workspace = take(offer->workspace);
      offer->bind()({pointers.data(), pointers.data() + signature.in.size(), workspace, &scalars_,
                     part.step.first_sample});
    }
  } catch (...) {
    return std::current_exception();
  }
  return std::make_exception_ptr(
      Error(Fault::run, "E0415", "the device refused the values of this operation's inputs"));
}

// In the words of a run on the CPU.
std::exception_ptr StreamExecution::not_finite(int id, int output, const int64_t* counts) const {
  auto& step = plan_.steps[size_t(id)];
  auto& signature = plan_.kernels[size_t(step.kernel)].signature;
  std::string text = "its result is not finite: " + counted(counts) + " of " +
                     std::to_string(signature.out[size_t(output)].elements()) + " values";
  return std::make_exception_ptr(Error(Fault::run, "E0413", text));
}

// Ganged or not, on however many devices: merges are listed in one order.
void StreamExecution::finish_digests() {
  digests.clear();
  for (auto& [step, list] : digest_of_)
    for (auto& digest : list) {
      digests.push_back(digest.what);
      digests.back().bits = XXH64(digest.memory.at(), size_t(digest.bytes), 0);
    }
  std::ranges::sort(digests, {}, [](const SyncDigest& d) {
    return std::tuple(d.node, d.hi - d.lo, d.lo, d.part);
  });
}

}  // namespace braid
