// Targets whose class is among the first k: a thread or, for many classes, a block for each.
#include "accuracy/accuracy.h"

#include "cuda/index.h"
#include "cuda/kernel.h"
#include "cuda/softmax.h"
#include "cuda/totals.h"

namespace braid {
namespace accuracy_cuda {

using namespace cuda;

struct Correct {
  static constexpr int threads = kRowThreads;
  using Scratch = BlockAll<int, threads>::Storage;

  const float* x;
  const int64_t* labels;
  int64_t classes, inner, k, ignored;
  int64_t* status;

  __device__ bool counts(int64_t label) const {
    if (label == ignored) return false;
    if (label >= 0 && label < classes) return true;
    *status = 1;
    return false;
  }
  /// How many of the classes first, first + step, ... are ahead of the target's.
  __device__ int ahead_of(const float* scores, int64_t label, int64_t first, int64_t step) const {
    const float own = scores[label * inner];
    int rank = 0;
    for (int64_t c = first; c < classes; c += step)
      rank += c != label && ahead(scores[c * inner], own, c < label);
    return rank;
  }

  __device__ double operator()(int64_t i) const {
    const int64_t label = labels[i];
    if (!counts(label)) return 0;
    const int64_t first = quotient(i, inner) * (classes - 1) * inner + i;
    return ahead_of(x + first, label, 0, 1) < k;
  }
  __device__ double block(int64_t i, Scratch& scratch) const {
    const int64_t label = labels[i];
    if (!counts(label)) return 0;  // for all threads
    const int own = ahead_of(x + i * classes, label, threadIdx.x, threads);
    return BlockAll<int, threads>::reduce(scratch, own, Plus{}) < k;
  }
};

template <bool kBlocks>
Launch make(std::span<const Signature> signatures, const Rows& rows) {
  std::vector<int64_t> targets;
  for (auto& s : signatures) targets.push_back(s.in[1].elements());
  const Totals<Correct, kBlocks> totals(std::move(targets));
  const auto& attrs = signatures[0].attrs;
  const int64_t k = get_int(attrs, "k", 1), ignored = get_int(attrs, "ignore_index", -100);
  auto enqueue = [=](const LaunchArgs& args) {
    totals.enqueue(args, 0, [&](const KernelArgs& a, size_t i) {
      return Correct{a.in<float>(0), a.in<int64_t>(1), rows.count, rows.inner, k,
                     ignored,        args.status + i};
    });
  };
  return {enqueue, totals.workspace()};
}

}  // namespace accuracy_cuda

void register_accuracy_cuda(Registry& registry) {
  using namespace accuracy_cuda;
  registry.add(cuda::kernel("correct", [](std::span<const Signature> s) {
    const Rows rows = rows_of(s[0].in[0].dims, 1);
    return by_blocks(rows) ? make<true>(s, rows) : make<false>(s, rows);
  }));
}

}  // namespace braid
