#include "max_pool2d/ops.h"

#include "max_pool2d/window.h"
#include "onednn/pool.h"

namespace braid {
namespace {

onednn::Dims both(const std::array<int64_t, 2>& pair) { return {pair[0], pair[1]}; }

onednn::PoolQuestion question(const Dict& attrs, const Operand& image, const Operand& pooled) {
  auto w = pool_window(attrs);
  return {dnnl::algorithm::pooling_max,
          image,
          pooled,
          both(w.kernel),
          both(w.stride),
          both(w.dilation),
          both(w.padding),
          {w.end(0, image.dim(2)), w.end(1, image.dim(3))}};
}

std::vector<Type> max_pool_type(const Dict& attrs, std::span<const Type> in) {
  std::vector<Type> out = {pooled_type(attrs, in[0])};
  auto window = pool_window(attrs);
  bool small = window.kernel[0] * window.kernel[1] <= 255;
  if (get_bool(attrs, "indices")) out.push_back({small ? DType::u8 : DType::i32, out[0].shape});
  return out;
}

std::optional<Offer> forward_offer(const Signature& s) {
  return onednn::pool(question(s.attrs, s.in[0], s.out[0]), s.out.size() > 1);
}

// In the format of the index: it is as large as the gradient, and comes from the forward pass,
// whose format the image's gradient will be wanted in.
std::optional<Offer> gradient_offer(const Signature& s) {
  auto pooled = s.in[0];
  pooled.format = s.in[1].format;
  return onednn::pool_gradient(question(s.attrs, s.out[0], pooled), true);
}

}  // namespace

void register_max_pool2d_ops(Registry& registry) {
  registry.add(OpDef{.name = "max_pool2d", .infer = max_pool_type});
  registry.add(
      OpDef{.name = "max_pool2d_grad", .infer = [](const Dict& attrs, std::span<const Type> in) {
              return std::vector<Type>{image_type(attrs, in[0])};
            }});
  registry.add(onednn::kernel("max_pool2d", forward_offer));
  registry.add(onednn::kernel("max_pool2d_grad", gradient_offer));
}

}  // namespace braid
