// Probabilities and losses: a thread or, for many classes, a block for each target.
#include "cross_entropy/parts.h"
#include "cuda/index.h"
#include "cuda/softmax.h"
#include "cuda/totals.h"

namespace braid {
namespace cross_entropy_cuda {

using namespace cuda;

struct Xent {
  static constexpr int threads = kRowThreads;
  using Scratch = RowScratch;

  const float* x;
  const int64_t* labels;
  float* p;
  int64_t classes, inner, ignored;
  ShareRule shares;
  int64_t* status;

  /// Whether target i counts.
  __device__ bool counts(int64_t label) const {
    if (label == ignored) return false;
    if (label >= 0 && label < classes) return true;
    *status = 1;
    return false;
  }
  __device__ double loss(const Spread& s, int64_t label, float logit, double mixed) const {
    const double whole = shares.whole(label);
    return whole * (double(s.most) + log(s.z)) - shares.own(label) * double(logit) - mixed;
  }

  __device__ double operator()(int64_t i) const {
    const int64_t sample = quotient(i, inner);
    const int64_t first = sample * (classes - 1) * inner + i;
    const Spread spread = softmax_row(x + first, p + first, classes, inner);
    const int64_t label = labels[i];
    if (!counts(label)) return 0;
    double mixed = 0;
    if (shares.smooth())
      for (int64_t c = 0; c < classes; ++c) mixed += shares.each(c) * double(x[first + c * inner]);
    return loss(spread, label, x[first + label * inner], mixed);
  }

  __device__ double block(int64_t i, Scratch& scratch) const {
    const int64_t first = i * classes;
    const Spread spread = softmax_row(x + first, p + first, classes, scratch);
    double mixed = 0;
    if (shares.smooth()) {
      for (int64_t c = threadIdx.x; c < classes; c += threads)
        mixed += shares.each(c) * double(x[first + c]);
      mixed = sum_of_row(mixed, scratch);
    }
    const int64_t label = labels[i];
    return counts(label) ? loss(spread, label, x[first + label], mixed) : 0;
  }
};

template <bool kBlocks>
Launch make(std::span<const Signature> signatures, const Rows& rows) {
  std::vector<int64_t> targets;
  for (auto& s : signatures) targets.push_back(s.in[1].elements());
  const Totals<Xent, kBlocks> totals(std::move(targets));
  const Shares shares(signatures[0].attrs, rows.count);
  const int64_t ignored = get_int(signatures[0].attrs, "ignore_index", -100);
  auto enqueue = [=](const LaunchArgs& args) {
    const ShareRule rule = enqueue_shares(args, shares, totals.workspace());
    totals.enqueue(args, 1, [&](const KernelArgs& a, size_t i) {
      return Xent{a.in<float>(0), a.in<int64_t>(1), a.out<float>(0),
                  rows.count,     rows.inner,       ignored,
                  rule,           args.status + i};
    });
  };
  return {enqueue, totals.workspace() + shares_bytes(shares)};
}

}  // namespace cross_entropy_cuda

cuda::LaunchMaker make_xent_cuda() {
  using namespace cross_entropy_cuda;
  return [](std::span<const Signature> s) {
    const Rows rows = rows_of(s[0].in[0].dims, 1);
    return by_blocks(rows) ? make<true>(s, rows) : make<false>(s, rows);
  };
}

void register_cross_entropy_cuda(Registry& registry) {
  using namespace cross_entropy_cuda;
  registry.add(cuda::kernel("xent", make_xent_cuda()));
  registry.add(cuda::kernel("xent_count", make_xent_count_cuda()));
  registry.add(cuda::kernel("xent_grad", make_xent_grad_cuda(), {.alias = 0}));
}

}  // namespace braid
