// Adaptive average pooling over plain or channel-blocked memory. A pooled image of one cell is the
// same memory in both when no channel is padded; it then leaves as plain, which is what a Flatten
// wants, and its gradient goes back into blocks.
#include <algorithm>

#include "adaptive_avg_pool2d/ops.h"
#include "onednn/kernel.h"

namespace braid {
namespace {

// Planes of `block` channels side by side.
struct Planes {
  int64_t count, height, width, out_height, out_width;

  Planes(const Operand& image, const Operand& pooled, int64_t block)
      : count(image.dim(0) * ((image.dim(1) + block - 1) / block)),
        height(image.dim(2)),
        width(image.dim(3)),
        out_height(pooled.dim(2)),
        out_width(pooled.dim(3)) {}

  bool overlap() const { return height % out_height || width % out_width; }

  /// visit(plane, index of the output cell in all planes, rows, columns)
  template <class Visit>
  void for_each_cell(Visit visit) const {
    int64_t out = 0;
    for (int64_t plane = 0; plane < count; ++plane)
      for (int64_t i = 0; i < out_height; ++i)
        for (int64_t j = 0; j < out_width; ++j)
          visit(plane, out++, adaptive_span(i, height, out_height),
                adaptive_span(j, width, out_width));
  }
};

template <int Block>
void forward(const Planes& p, const float* x, float* y) {
  p.for_each_cell([&](int64_t plane, int64_t out, Span rows, Span columns) {
    double sum[Block] = {};
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const float* at = x + ((plane * p.height + row) * p.width + columns.begin) * Block;
      for (int64_t i = 0; i < columns.size(); ++i, at += Block)
        for (int k = 0; k < Block; ++k) sum[k] += at[k];
    }
    for (int k = 0; k < Block; ++k)
      y[out * Block + k] = float(sum[k] / double(rows.size() * columns.size()));
  });
}

template <int Block>
void gradient(const Planes& p, const float* g, float* dx) {
  std::fill_n(dx, p.count * p.height * p.width * Block, 0.0f);
  p.for_each_cell([&](int64_t plane, int64_t out, Span rows, Span columns) {
    float share[Block];
    for (int k = 0; k < Block; ++k)
      share[k] = g[out * Block + k] / float(rows.size() * columns.size());
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      float* at = dx + ((plane * p.height + row) * p.width + columns.begin) * Block;
      for (int64_t i = 0; i < columns.size(); ++i, at += Block)
        for (int k = 0; k < Block; ++k) at[k] += share[k];
    }
  });
}

using Run = void (*)(const Planes&, const float*, float*);

Run forward_run(int block) {
  return block == 16 ? forward<16> : block == 8 ? forward<8> : forward<1>;
}
Run gradient_run(int block) {
  return block == 16 ? gradient<16> : block == 8 ? gradient<8> : gradient<1>;
}

Offer offer(const char* impl, const Planes& planes, Run run, Format in, Format out) {
  auto body = [planes, run](const KernelArgs& args) {
    run(planes, args.in<float>(0), args.out<float>(0));
  };
  return {
      .impl = impl, .in_formats = {std::move(in)}, .out_formats = {std::move(out)}, .bind = [body] {
        return KernelBody(body);
      }};
}

// One cell and no padded channels: blocked and plain memory are the same.
bool one_cell(const Operand& pooled, int block) {
  return pooled.dim(2) * pooled.dim(3) == 1 && pooled.dim(1) % block == 0;
}

std::optional<Offer> forward_offer(const Signature& s, const DeviceTraits&) {
  Format has = channel_block(s.in[0].format) > 1 ? s.in[0].format : Format{};
  int block = channel_block(has);
  return offer("braid:adaptive_avg_pool2d", Planes(s.in[0], s.out[0], block), forward_run(block),
               has, one_cell(s.out[0], block) ? Format{} : has);
}

std::optional<Offer> gradient_offer(const Signature& s, const DeviceTraits& traits) {
  Format in = channel_block(s.in[0].format) > 1 ? s.in[0].format : Format{}, out = in;
  Format preferred = onednn::blocked_images(traits);
  if (in.empty() && one_cell(s.in[0], channel_block(preferred))) out = preferred;
  int block = channel_block(out);
  return offer("braid:adaptive_avg_pool2d_grad", Planes(s.out[0], s.in[0], block),
               gradient_run(block), in, out);
}

}  // namespace

void register_adaptive_avg_pool2d_kernels(Registry& registry) {
  registry.add(Kernel{"adaptive_avg_pool2d", "cpu", forward_offer});
  registry.add(Kernel{"adaptive_avg_pool2d_grad", "cpu", gradient_offer});
}

}  // namespace braid
