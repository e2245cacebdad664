// Resizing, over plain or channel-blocked memory: both directions are the same sums with another
// table of weights. Rows are mixed first, whole rows at a time, then the cells of the mixed row.
// Every cell is summed up in a fixed order, from products that are rounded one by one.
#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "upsample/kernels.cpp"
#include <hwy/foreach_target.h>

#include <algorithm>

#include "ops/simd-inl.h"
#include "upsample/axis.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

/// y = the sum of x[cell] * weight over the taps of row i, for `n` floats side by side; x[k] begins
/// at x + k * step.
HWY_INLINE void mix(const Taps& taps, int64_t i, const float* x, int64_t step, int64_t n,
                    float* y) {
  const auto begin = size_t(taps.first[size_t(i)]), end = size_t(taps.first[size_t(i + 1)]);
  if (begin == end) {
    std::fill_n(y, n, 0.0f);
    return;
  }
  auto at = [&](size_t k) { return x + taps.cell[k] * step; };
  map(
      n, [&](auto d, auto v) HWY_ATTR { return hn::Mul(v, hn::Set(d, taps.weight[begin])); }, y,
      at(begin));
  for (size_t k = begin + 1; k < end; ++k)
    map(
        n,
        [&](auto d, auto sum, auto v)
            HWY_ATTR { return hn::Add(sum, hn::Mul(v, hn::Set(d, taps.weight[k]))); },
        y, static_cast<const float*>(y), at(k));
}

/// The cells of a mixed row, `kLanes` channels side by side.
template <int kLanes>
HWY_INLINE void mix_cells(const Taps& taps, const float* x, float* y) {
  const hn::CappedTag<float, kLanes> d;
  constexpr int64_t width = int64_t(hn::MaxLanes(hn::CappedTag<float, kLanes>()));
  for (int64_t i = 0; i < taps.rows(); ++i, y += kLanes) {
    const auto begin = size_t(taps.first[size_t(i)]), end = size_t(taps.first[size_t(i + 1)]);
    for (int64_t lane = 0; lane < kLanes; lane += width) {
      auto term = [&](size_t k) HWY_ATTR {
        return hn::Mul(hn::LoadU(d, x + taps.cell[k] * kLanes + lane), hn::Set(d, taps.weight[k]));
      };
      auto sum = begin == end ? hn::Zero(d) : term(begin);
      for (size_t k = begin + 1; k < end; ++k) sum = hn::Add(sum, term(k));
      hn::StoreU(sum, d, y + lane);
    }
  }
}

template <int kLanes>
void resize(const Taps& rows, const Taps& columns, int64_t planes, int64_t height, int64_t width,
            const float* x, float* y, float* mixed) {
  const int64_t length = width * kLanes;
  for (int64_t plane = 0; plane < planes; ++plane, x += height * length)
    for (int64_t i = 0; i < rows.rows(); ++i, y += columns.rows() * kLanes) {
      mix(rows, i, x, length, length, mixed);
      mix_cells<kLanes>(columns, mixed, y);
    }
}

// The name of a template cannot be exported.
void resize_plain(const Taps& r, const Taps& c, int64_t planes, int64_t h, int64_t w,
                  const float* x, float* y, float* mixed) {
  resize<1>(r, c, planes, h, w, x, y, mixed);
}
void resize_8(const Taps& r, const Taps& c, int64_t planes, int64_t h, int64_t w, const float* x,
              float* y, float* mixed) {
  resize<8>(r, c, planes, h, w, x, y, mixed);
}
void resize_16(const Taps& r, const Taps& c, int64_t planes, int64_t h, int64_t w, const float* x,
               float* y, float* mixed) {
  resize<16>(r, c, planes, h, w, x, y, mixed);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "upsample/ops.h"

namespace braid {
namespace {

HWY_EXPORT(resize_plain);
HWY_EXPORT(resize_8);
HWY_EXPORT(resize_16);

void resize(int block, const Taps& rows, const Taps& columns, int64_t planes, const Operand& from,
            const float* x, float* y, float* mixed) {
  const int64_t h = from.dim(2), w = from.dim(3);
  if (block == 16)
    HWY_DYNAMIC_DISPATCH(resize_16)(rows, columns, planes, h, w, x, y, mixed);
  else if (block == 8)
    HWY_DYNAMIC_DISPATCH(resize_8)(rows, columns, planes, h, w, x, y, mixed);
  else
    HWY_DYNAMIC_DISPATCH(resize_plain)(rows, columns, planes, h, w, x, y, mixed);
}

// `turned`: the gradient's direction.
std::optional<Offer> offer(const Signature& s, const char* impl, bool turned) {
  const Format format = channel_block(s.in[0].format) > 0 ? s.in[0].format : Format{};
  const int block = channel_block(format);
  Taps rows = axis_of(s.attrs, 0).taps(), columns = axis_of(s.attrs, 1).taps();
  if (turned) {
    rows = transposed(rows, s.out[0].dim(2));
    columns = transposed(columns, s.out[0].dim(3));
  }
  const int64_t planes = s.in[0].dim(0) * ((s.in[0].dim(1) + block - 1) / block);
  KernelBody body = [=, from = s.in[0], rows = std::move(rows),
                     columns = std::move(columns)](const KernelArgs& args) {
    resize(block, rows, columns, planes, from, args.in<float>(0), args.out<float>(0),
           static_cast<float*>(args.workspace));
  };
  return Offer{.impl = impl,
               .in_formats = {format},
               .out_formats = {format},
               .workspace = s.in[0].dim(3) * block * int64_t(sizeof(float)),
               .bind = [body] { return body; }};
}

}  // namespace

void register_upsample_kernels(Registry& registry) {
  registry.add(Kernel{"upsample", "cpu", [](const Signature& s, const DeviceTraits&) {
                        return offer(s, "braid:upsample", false);
                      }});
  registry.add(Kernel{"upsample_grad", "cpu", [](const Signature& s, const DeviceTraits&) {
                        return offer(s, "braid:upsample_grad", true);
                      }});
}

}  // namespace braid
#endif
