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

void StreamExecution::collect_faults() {
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    if (offsets_.status[i] < 0) continue;
    auto& step = plan_.steps[i];
    auto words = reinterpret_cast<const int64_t*>(sides_[size_t(step.device)].back.at());
    for (int p = 0; p < parts_of(step); ++p)
      if (words[offsets_.status[i] + p]) failures_.record(int(i), diagnose(int(i), p), p);
    if (!check_finite) continue;
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
