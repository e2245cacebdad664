#include "conv2d/ops.h"

#include <braid/core/error.h>

#include "conv2d/size.h"

namespace braid {
namespace {

std::vector<Type> conv_type(const Dict& attrs, std::span<const Type> in) {
  const Shape &x = in[0].shape, &w = in[1].shape;
  ensure(x.size() == 4 && w.size() == 4, "conv2d: input and weight have four dimensions");
  auto window = conv_window(attrs);
  ensure(x[1].value == w[1].value * window.groups, "conv2d: channels differ");
  int64_t height = window.output(0, x[2].value, w[2].value);
  int64_t width = window.output(1, x[3].value, w[3].value);
  ensure(height > 0 && width > 0, "conv2d: the kernel is larger than the padded input");
  return {{in[0].dtype, {x[0], w[0].value, height, width}}};
}

std::vector<Type> grad_input_type(const Dict& attrs, std::span<const Type> in) {
  const Shape &g = in[0].shape, &w = in[1].shape;
  auto size = get_ints(attrs, "input_size");
  ensure(size.size() == 2, "conv2d_grad_input: input_size is a list of two");
  return {{in[0].dtype, {g[0], w[1].value * get_int(attrs, "groups", 1), size[0], size[1]}}};
}

std::vector<Type> grad_weight_type(const Dict& attrs, std::span<const Type> in) {
  const Shape &x = in[0].shape, &g = in[1].shape;
  auto kernel = get_ints(attrs, "kernel_size");
  ensure(kernel.size() == 2, "conv2d_grad_weight: kernel_size is a list of two");
  int64_t in_channels = x[1].value / get_int(attrs, "groups", 1);
  std::vector<Type> out = {{in[0].dtype, {g[1].value, in_channels, kernel[0], kernel[1]}}};
  if (get_bool(attrs, "bias")) out.push_back({in[0].dtype, {g[1].value}});
  return out;
}

}  // namespace

void register_conv2d_ops(Registry& registry) {
  registry.add(OpDef{.name = "conv2d", .infer = conv_type});
  registry.add(OpDef{.name = "conv2d_grad_input", .infer = grad_input_type});
  registry.add(OpDef{.name = "conv2d_grad_weight", .infer = grad_weight_type, .merge = "sum"});
}

}  // namespace braid
