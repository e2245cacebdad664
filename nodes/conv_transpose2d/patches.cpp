// The transposed convolution whose windows do not overlap: the kernel is as large as the stride, as
// where a network doubles an image. Each cell of the input becomes a patch of the result, and each
// cell of that is one chain of multiply-adds over the input's channels, in their order, that starts
// from the bias. Images and weights come in blocks of channels.
#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "conv_transpose2d/patches.cpp"
#include <hwy/foreach_target.h>

#include <algorithm>

#include <braid/nodes/isa.h>

#include "conv_transpose2d/patches.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

/// One place of the kernel: its weights and where its results go.
struct Corner {
  const float *w, *bias;
  float* y;
};

// `kCells` cells of a row of the input times `kTaps` places of a row of the kernel.
template <int kLanes, int kCells, int kTaps>
HWY_INLINE void multiply(const Patches& p, const float* x, const Corner& corner) {
  const hn::CappedTag<float, kLanes> d;
  using Vector = hn::Vec<decltype(d)>;
  constexpr int width = int(hn::MaxLanes(hn::CappedTag<float, kLanes>()));
  constexpr int vectors = kLanes / width, row = kTaps * vectors;
  Vector sum[kCells * row];
  unrolled<kCells * row>([&](auto i) HWY_ATTR {
    constexpr int lane = decltype(i)::value % vectors * width;
    sum[i] = hn::LoadU(d, corner.bias + lane);
  });
  const int64_t plane = p.height * p.width * kLanes;
  const int64_t taps = p.out_groups * p.kernel_h * p.kernel_w * kLanes * kLanes;
  for (int64_t group = 0; group < p.in_groups; ++group)
    for (int64_t c = 0; c < kLanes; ++c) {
      Vector w[row];
      unrolled<row>([&](auto v) HWY_ATTR {
        constexpr int tap = decltype(v)::value / vectors, lane = decltype(v)::value % vectors;
        w[v] = hn::LoadU(d, corner.w + group * taps + (tap * kLanes + c) * kLanes + lane * width);
      });
      unrolled<kCells>([&](auto cell) HWY_ATTR {
        const Vector factor = hn::Set(d, x[group * plane + cell * kLanes + c]);
        unrolled<row>([&](auto v) HWY_ATTR {
          constexpr int i = decltype(cell)::value * row + decltype(v)::value;
          sum[i] = hn::MulAdd(factor, w[v], sum[i]);
        });
      });
    }
  unrolled<kCells * row>([&](auto i) HWY_ATTR {
    constexpr int cell = decltype(i)::value / row, lane = decltype(i)::value % row * width;
    hn::StoreU(sum[i], d, corner.y + cell * p.kernel_w * kLanes + lane);
  });
}

// One row of the input.
template <int kLanes, int kTaps>
HWY_INLINE void multiply_row(const Patches& p, const float* x, Corner corner) {
  constexpr int vectors = kLanes / int(hn::MaxLanes(hn::CappedTag<float, kLanes>()));
  constexpr int cells = 12 / (2 * vectors);  // 12 sums leave registers for what they are made of
  int64_t j = 0;
  for (; j + cells <= p.width; j += cells) {
    multiply<kLanes, cells, kTaps>(p, x + j * kLanes, corner);
    corner.y += cells * p.kernel_w * kLanes;
  }
  for (; j < p.width; ++j) {
    multiply<kLanes, 1, kTaps>(p, x + j * kLanes, corner);
    corner.y += p.kernel_w * kLanes;
  }
}

// One image and one group of the result's channels: w and y begin there.
template <int kLanes>
HWY_INLINE void multiply_image(const Patches& p, const float* x, const float* w, const float* bias,
                               float* y) {
  const int64_t x_row = p.width * kLanes, y_row = x_row * p.kernel_w;
  for (int64_t a = 0; a < p.kernel_h; ++a)
    for (int64_t b = 0; b < p.kernel_w; b += 2)
      for (int64_t i = 0; i < p.height; ++i) {
        const Corner corner{w + (a * p.kernel_w + b) * kLanes * kLanes, bias,
                            y + (i * p.kernel_h + a) * y_row + b * kLanes};
        if (b + 2 <= p.kernel_w)
          multiply_row<kLanes, 2>(p, x + i * x_row, corner);
        else
          multiply_row<kLanes, 1>(p, x + i * x_row, corner);
      }
}

template <int kLanes>
HWY_INLINE void patches(const Patches& p, const float* x, const float* w, const float* bias,
                        float* y) {
  const int64_t image = p.height * p.width * kLanes, taps = p.kernel_h * p.kernel_w;
  for (int64_t n = 0; n < p.samples; ++n)
    for (int64_t group = 0; group < p.out_groups; ++group) {
      HWY_ALIGN float start[kLanes] = {};
      const int64_t first = group * kLanes;
      if (bias) std::copy_n(bias + first, std::min<int64_t>(kLanes, p.out - first), start);
      multiply_image<kLanes>(p, x + n * p.in_groups * image, w + group * taps * kLanes * kLanes,
                             start, y + (n * p.out_groups + group) * image * taps);
    }
}

// The instance of a template cannot be exported.
void patches_8(const Patches& p, const float* x, const float* w, const float* bias, float* y) {
  patches<8>(p, x, w, bias, y);
}
void patches_16(const Patches& p, const float* x, const float* w, const float* bias, float* y) {
  patches<16>(p, x, w, bias, y);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "conv2d/size.h"
#include "onednn/kernel.h"

namespace braid {
namespace {

HWY_EXPORT(patches_8);
HWY_EXPORT(patches_16);

bool fits(const Signature& s, int64_t block) {
  const auto window = conv_window(s.attrs);
  const Operand &x = s.in[0], &w = s.in[1], &y = s.out[0];
  bool tiles = window.groups == 1 && x.dim(1) >= block / 2 && y.dim(1) >= block / 2;
  for (size_t d = 0; d < 2; ++d)
    tiles &= window.stride[d] == w.dim(2 + d) && window.dilation[d] == 1 && window.begin[d] == 0 &&
             window.end[d] == 0 && y.dim(2 + d) == x.dim(2 + d) * window.stride[d];
  return tiles;
}

}  // namespace

std::optional<Offer> patches_offer(const Signature& s, const DeviceTraits& traits) {
  if (!traits.isa.empty() && traits.isa != current_isa()) return {};  // as oneDNN's kernels
  const Format image = onednn::blocked_images(traits);
  const int64_t block = channel_block(image);
  if (!fits(s, block)) return {};
  const Operand &x = s.in[0], &w = s.in[1], &y = s.out[0];
  auto groups = [&](int64_t channels) { return (channels + block - 1) / block; };
  const Patches p{x.dim(0), groups(x.dim(1)), groups(y.dim(1)), y.dim(1),
                  x.dim(2), x.dim(3),         w.dim(2),         w.dim(3)};
  KernelBody body = [p, block, bias = s.in.size() > 2](const KernelArgs& args) {
    const float *x = args.in<float>(0), *w = args.in<float>(1);
    const float* b = bias ? args.in<float>(2) : nullptr;
    if (block == 16)
      HWY_DYNAMIC_DISPATCH(patches_16)(p, x, w, b, args.out<float>(0));
    else
      HWY_DYNAMIC_DISPATCH(patches_8)(p, x, w, b, args.out<float>(0));
  };
  Offer offer{.impl = "braid:patches",
              .in_formats = {image, block == 16 ? "ABcd16a16b" : "ABcd8a8b"},
              .out_formats = {image},
              .bind = [body] { return body; }};
  if (s.in.size() > 2) offer.in_formats.push_back({});
  return offer;
}

}  // namespace braid
#endif
