#include "normalize/normalize.h"

#include "cuda/index.h"
#include "cuda/kernel.h"
#include "cuda/row_team.h"

namespace braid {
namespace normalize_cuda {

using namespace cuda;

struct Part {
  const float *g, *x;  ///< g is null forward
  float* out;
  int64_t rows;
};

template <bool kBlocks>
__global__ void normalize_rows(const __grid_constant__ Parts<Part> parts,
                               const __grid_constant__ NormalizeRule rule, const int64_t count,
                               const int64_t inner) {
  __shared__ typename Team<kBlocks>::Scratch scratch;
  Team<kBlocks> team{scratch};
  const Part& p = parts.at[blockIdx.z];
  for (int64_t row = team.first_row(); row < p.rows; row += team.row_step()) {
    const int64_t first = quotient(row, inner) * (count - 1) * inner + row;
    const float *x = p.x + first, *g = p.g ? p.g + first : nullptr;
    double sum = 0, dot = 0;
    for (int64_t c = team.first(); c < count; c += team.step()) {
      sum += rule.norm.power(double(x[c * inner]));
      if (g) dot += double(g[c * inner]) * double(x[c * inner]);
    }
    const double norm = rule.norm.root(team.sum(sum));
    if (g) dot = team.sum(dot);
    for (int64_t c = team.first(); c < count; c += team.step()) {
      const double at = x[c * inner];
      const double y = g ? normalize_slope(rule, norm, dot, g[c * inner], at)
                         : at / (norm > rule.eps ? norm : rule.eps);
      p.out[first + c * inner] = float(y);
    }
  }
}

template <bool kGradient>
Launch make(std::span<const Signature> signatures) {
  const auto dim = size_t(get_int(signatures[0].attrs, "dim"));
  const Rows shape = rows_of(signatures[0].in[0].dims, dim);
  std::vector<int64_t> rows;
  for (auto& s : signatures) rows.push_back(s.in[0].elements() / shape.count);
  return {[=, rule = NormalizeRule(signatures[0].attrs)](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return Part{kGradient ? a.in<float>(0) : nullptr, a.in<float>(kGradient ? 1 : 0),
                  a.out<float>(0), rows[i]};
    };
    for_parts(args.parts, part, [&](const Parts<Part>& parts) {
      int64_t most = 0;
      for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].rows);
      const bool blocks = by_blocks(shape);
      launch(args.queue, blocks ? normalize_rows<true> : normalize_rows<false>,
             row_grid(most, blocks, parts.size()), kRowThreads, parts, rule, shape.count,
             shape.inner);
    });
  }};
}

}  // namespace normalize_cuda

void register_normalize_cuda(Registry& registry) {
  using namespace normalize_cuda;
  registry.add(cuda::kernel("p_normalize", make<false>));
  registry.add(cuda::kernel("p_normalize_grad", make<true>));
}

}  // namespace braid
