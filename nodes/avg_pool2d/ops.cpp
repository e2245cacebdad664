#include "avg_pool2d/ops.h"

#include "onednn/pool.h"

namespace braid {
namespace {

onednn::Dims both(const std::array<int64_t, 2>& pair) { return {pair[0], pair[1]}; }

// oneDNN divides by the whole window or by the cells inside the image. Where a window of ceil_mode
// hangs over the padding too, PyTorch counts only up to there: the plain kernel does that.
bool counts_differ(const Dict& attrs, const PoolWindow& w, const Operand& image) {
  return get_bool(attrs, "count_include_pad", true) &&
         (w.end(0, image.dim(2)) > w.padding[0] || w.end(1, image.dim(3)) > w.padding[1]);
}

std::optional<onednn::PoolQuestion> question(const Dict& attrs, const Operand& image,
                                             const Operand& pooled) {
  auto w = pool_window(attrs);
  if (counts_differ(attrs, w, image)) return {};
  bool all = get_bool(attrs, "count_include_pad", true);
  return onednn::PoolQuestion{all ? dnnl::algorithm::pooling_avg_include_padding
                                  : dnnl::algorithm::pooling_avg_exclude_padding,
                              image,
                              pooled,
                              both(w.kernel),
                              both(w.stride),
                              {1, 1},
                              both(w.padding),
                              {w.end(0, image.dim(2)), w.end(1, image.dim(3))}};
}

std::optional<Offer> forward_offer(const Signature& s) {
  auto q = question(s.attrs, s.in[0], s.out[0]);
  return q ? onednn::pool(*q, false) : std::nullopt;
}

// Where blocks fit, always in blocks, also when the gradient comes from a Flatten: what takes the
// image's gradient is a convolution or a batch norm, and the pooled image is the smaller one.
std::optional<Offer> gradient_offer(const Signature& s) {
  auto pooled = s.in[0];
  Format blocked = onednn::blocked_images({});
  if (pooled.dim(1) % channel_block(blocked) == 0) pooled.format = blocked;
  auto q = question(s.attrs, s.out[0], pooled);
  return q ? onednn::pool_gradient(*q, false) : std::nullopt;
}

}  // namespace

void register_avg_pool2d_ops(Registry& registry) {
  registry.add(
      OpDef{.name = "avg_pool2d", .infer = [](const Dict& attrs, std::span<const Type> in) {
              return std::vector<Type>{pooled_type(attrs, in[0])};
            }});
  registry.add(
      OpDef{.name = "avg_pool2d_grad", .infer = [](const Dict& attrs, std::span<const Type> in) {
              return std::vector<Type>{image_type(attrs, in[0])};
            }});
  registry.add(onednn::kernel("avg_pool2d", forward_offer));
  registry.add(onednn::kernel("avg_pool2d_grad", gradient_offer));
}

}  // namespace braid
