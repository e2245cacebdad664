// A matrix product of our own, for instruction sets where oneDNN 2.6 only has its gemm: a row's
// bits follow from the row alone there as well. Every element is a chain of multiply-adds in the
// order of k, cut every `depth` terms; how many rows go side by side does not enter.
#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "linear/product.cpp"
#include <hwy/foreach_target.h>

#include <algorithm>

#include "linear/matmul.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

constexpr int64_t width = 16;   // columns of a panel of b
constexpr int64_t depth = 256;  // terms of a chain: short ones round less, and stay in L1

const hn::CappedTag<float, width> tag;
using Vector = hn::Vec<decltype(tag)>;
constexpr int vectors = int(width) / int(hn::MaxLanes(hn::CappedTag<float, width>()));
constexpr int64_t tile = 12 / vectors;  // rows side by side: 12 sums fill half the registers

// One panel of b, columns [column, column + width), as [inner][width] with zeros beyond the edge.
void pack(const MatmulSize& s, const float* b, int64_t column, float* panel) {
  int64_t used = std::min(width, s.columns - column);
  for (int64_t k = 0; k < s.inner; ++k)
    for (int64_t j = 0; j < width; ++j) {
      int64_t at = s.transpose_b ? (column + j) * s.inner + k : k * s.columns + column + j;
      panel[k * width + j] = j < used ? b[at] : 0;
    }
}

// y[r][0 .. width) += terms [begin, end) of the products of `Rows` rows of a with a panel. a(r, k)
// lies at a[r * row_step + k * inner_step].
template <int Rows>
HWY_INLINE void multiply(const float* a, int64_t row_step, int64_t inner_step, const float* panel,
                         int64_t begin, int64_t end, float (*y)[width]) {
  constexpr int lanes = int(width) / vectors;
  Vector sum[Rows * vectors];
  unrolled<Rows * vectors>([&](auto i) HWY_ATTR { sum[i] = hn::Zero(tag); });
  for (int64_t k = begin; k < end; ++k) {
    Vector b[vectors];
    unrolled<vectors>([&](auto v)
                          HWY_ATTR { b[v] = hn::Load(tag, panel + k * width + v * lanes); });
    unrolled<Rows>([&](auto r) HWY_ATTR {
      const Vector factor = hn::Set(tag, a[r * row_step + k * inner_step]);
      unrolled<vectors>([&](auto v) HWY_ATTR {
        constexpr int i = decltype(r)::value * vectors + decltype(v)::value;
        sum[i] = hn::MulAdd(factor, b[v], sum[i]);
      });
    });
  }
  unrolled<Rows * vectors>([&](auto i) HWY_ATTR {
    float* at = y[i / vectors] + i % vectors * lanes;
    hn::Store(hn::Add(hn::Load(tag, at), sum[i]), tag, at);
  });
}

template <int Rows>
void rows_times_panel(const MatmulSize& s, const float* a, int64_t row, const float* panel,
                      const float* bias, int64_t column, float* y) {
  int64_t row_step = s.transpose_a ? 1 : s.inner, inner_step = s.transpose_a ? s.rows : 1;
  HWY_ALIGN float result[Rows][width];
  for (auto& at : result) std::copy_n(bias, width, at);
  for (int64_t k = 0; k < s.inner; k += depth)
    multiply<Rows>(a + row * row_step, row_step, inner_step, panel, k, std::min(k + depth, s.inner),
                   result);
  int64_t used = std::min(width, s.columns - column);
  for (int r = 0; r < Rows; ++r) std::copy_n(result[r], used, y + (row + r) * s.columns + column);
}

void product(const MatmulSize& s, const float* a, const float* b, const float* bias, float* y,
             float* panel) {
  for (int64_t column = 0; column < s.columns; column += width) {
    pack(s, b, column, panel);
    HWY_ALIGN float start[width] = {};
    if (bias) std::copy_n(bias + column, std::min(width, s.columns - column), start);
    int64_t row = 0;
    for (; row + tile <= s.rows; row += tile)
      rows_times_panel<tile>(s, a, row, panel, start, column, y);
    for (; row < s.rows; ++row) rows_times_panel<1>(s, a, row, panel, start, column, y);
  }
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid {

HWY_EXPORT(product);

static std::optional<Offer> product_offer(const Signature& s, const DeviceTraits&) {
  auto body = [size = matmul_size(s)](const KernelArgs& args) {
    HWY_DYNAMIC_DISPATCH(product)
    (size, args.in<float>(0), args.in<float>(1), size.bias ? args.in<float>(2) : nullptr,
     args.out<float>(0), static_cast<float*>(args.workspace));
  };
  return Offer{.impl = "braid:matmul",
               .in_formats = std::vector<Format>(s.in.size()),
               .out_formats = {Format{}},
               .workspace = matmul_size(s).inner * 16 * int64_t(sizeof(float)),
               .bind = [body] { return KernelBody(body); }};
}

void register_product(Registry& registry) { registry.add(Kernel{"matmul", "cpu", product_offer}); }

}  // namespace braid
#endif
