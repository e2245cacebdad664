// dx = (p·whole - each - own where the class is the target's)·scale.
#include "cross_entropy/parts.h"
#include "cuda/index.h"
#include "cuda/vector.h"
#include "ops/rows.h"

namespace braid {
namespace cross_entropy_gradient_cuda {

using namespace cuda;

/// What all targets share. Without weights the shares of all classes are alike: these floats.
struct Rule {
  ShareRule shares;
  float whole, own, each;
  int64_t classes, inner, ignored;
  double factor;

  /// An ignored target's is 0, and no NaN gets through that.
  __device__ float gradient(float p, int64_t c, int64_t label, float scale) const {
    if (label == ignored || scale == 0 || label < 0 || label >= classes) return 0;
    const bool weighted = shares.weighted();
    float off = p * (weighted ? float(shares.whole(label)) : whole);
    off -= weighted ? float(shares.each(c)) : each;
    if (c == label) off -= weighted ? float(shares.own(label)) : own;
    return off * scale;
  }
};

struct Part {
  const float* p;
  const int64_t* labels;
  const double* count;
  float* dx;
  int64_t n;
};

template <int kWidth>
__device__ void gradient_pack(const Rule& r, const Part& part, int64_t i, float scale) {
  auto pack = load<kWidth>(part.p + i * kWidth);
  auto place = Place::of(i * kWidth, r.classes, r.inner);
  for (int k = 0; k < kWidth; ++k) {
    const int64_t label = part.labels[place.outer * r.inner + place.in];
    pack.at[k] = r.gradient(pack.at[k], place.at, label, scale);
    if (k + 1 < kWidth) place.step(r.classes, r.inner);
  }
  store(part.dx + i * kWidth, pack);
}

__global__ void gradients(const __grid_constant__ Parts<Part> parts,
                          const __grid_constant__ Rule rule) {
  const Part& p = parts.at[blockIdx.z];
  __shared__ float shared_scale;
  if (threadIdx.x == 0) shared_scale = *p.count > 0 ? float(rule.factor / *p.count) : 0;
  __syncthreads();
  const float scale = shared_scale;
  const int64_t packs = p.n / 4, step = int64_t(gridDim.x) * blockDim.x;
  const int64_t first = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int64_t i = first; i < packs; i += step) gradient_pack<4>(rule, p, i, scale);
  for (int64_t i = packs * 4 + first; i < p.n; i += step) gradient_pack<1>(rule, p, i, scale);
}

Launch make(std::span<const Signature> signatures) {
  std::vector<int64_t> sizes;
  for (auto& s : signatures) sizes.push_back(s.out[0].elements());
  const auto& attrs = signatures[0].attrs;
  const Rows rows = rows_of(signatures[0].in[0].dims, 1);
  const Shares shares(attrs, rows.count);
  const int64_t ignored = get_int(attrs, "ignore_index", -100);
  const double factor = get_double(attrs, "factor", 1);
  auto enqueue = [=](const LaunchArgs& args) {
    const ShareRule view = enqueue_shares(args, shares, 0);
    Rule rule{view, 1, 0, 0, rows.count, rows.inner, ignored, factor};
    if (!view.weighted()) rule.own = float(view.own(0)), rule.each = float(view.each(0));
    auto part = [&](const KernelArgs& a, size_t i) {
      return Part{a.in<float>(0), a.in<int64_t>(1), a.in<double>(2), a.out<float>(0), sizes[i]};
    };
    for_parts(args.parts, part, [&](const Parts<Part>& parts) {
      int64_t most = 0;
      for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
      launch(args.queue, gradients, {blocks_for(most, 1024), 1, parts.size()}, 256, parts, rule);
    });
  };
  return {enqueue, shares_bytes(shares)};
}

}  // namespace cross_entropy_gradient_cuda

cuda::LaunchMaker make_xent_grad_cuda() {
  using namespace cross_entropy_gradient_cuda;
  return make;
}

}  // namespace braid
