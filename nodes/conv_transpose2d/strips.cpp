#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "conv_transpose2d/strips.cpp"
#include <hwy/foreach_target.h>

#include <algorithm>

#include "conv_transpose2d/strips.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

// So many sums side by side, whatever the width of a vector: the order is the same everywhere.
constexpr int64_t row = Strips::row;
constexpr int64_t chain = 32 * row;  // floats of a chain of f32

const hn::CappedTag<float, row> tag;
using Vector = hn::Vec<decltype(tag)>;
constexpr int64_t width = int64_t(hn::MaxLanes(hn::CappedTag<float, row>()));

// sums[i % row] += g[i] of one chain; n is a multiple of row.
void add_chain(const float* g, int64_t n, double* sums) {
  HWY_ALIGN float part[row];
  for (int64_t at = 0; at < row; at += width) {
    Vector sum = hn::Zero(tag);
    for (int64_t i = at; i < n; i += row) sum = hn::Add(sum, hn::LoadU(tag, g + i));
    hn::Store(sum, tag, part + at);
  }
  for (int64_t i = 0; i < row; ++i) sums[i] += double(part[i]);
}

void add_strip(const float* g, int64_t length, double* sums) {
  int64_t whole = length / row * row;
  for (int64_t at = 0; at < whole; at += chain)
    add_chain(g + at, std::min(chain, whole - at), sums);
  for (int64_t i = whole; i < length; ++i) sums[i % row] += double(g[i]);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid {

HWY_EXPORT(add_strip);

std::optional<Strips> strips_of(const Operand& image) {
  int64_t lanes = image.format == "acdb" ? image.dim(1) : channel_block(image.format);
  if (lanes < 1) return {};
  return Strips{image.dim(0), image.dim(1), image.dim(2) * image.dim(3), lanes};
}

void add_bias(const Strips& s, const float* bias, float* y) {
  for (int64_t n = 0; n < s.samples; ++n)
    for (int64_t group = 0; group < s.groups(); ++group, y += s.length()) {
      const float* b = bias + group * s.lanes;
      const int64_t used = std::min(s.lanes, s.channels - group * s.lanes);
      for (int64_t p = 0; p < s.points; ++p)
        for (int64_t i = 0; i < used; ++i) y[p * s.lanes + i] += b[i];
    }
}

int64_t channel_sum_workspace(const Strips& s) {
  return s.groups() * Strips::row * int64_t(sizeof(double));
}

void channel_sum(const Strips& s, const float* g, float* sums, void* workspace) {
  constexpr int64_t row = Strips::row;
  auto* parts = static_cast<double*>(workspace);
  std::fill_n(parts, s.groups() * row, 0.0);
  for (int64_t n = 0; n < s.samples; ++n)
    for (int64_t group = 0; group < s.groups(); ++group, g += s.length())
      HWY_DYNAMIC_DISPATCH(add_strip)(g, s.length(), parts + group * row);
  for (int64_t c = 0; c < s.channels; ++c) {
    double sum = 0;
    for (int64_t i = c % s.lanes; i < row; i += s.lanes) sum += parts[c / s.lanes * row + i];
    sums[c] = float(sum);
  }
}

}  // namespace braid
#endif
