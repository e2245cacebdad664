#include "conv3d/ops.h"

#include <braid/core/error.h>

namespace braid {
namespace {

Three three(const Dict& attrs, const char* name) {
  auto list = get_ints(attrs, name);
  ensure(list.size() == 3, "conv3d: stride, padding and sizes are lists of three");
  return {list[0], list[1], list[2]};
}

Three spatial(const Shape& shape) { return {shape[2].value, shape[3].value, shape[4].value}; }

std::vector<Type> conv_type(const Dict& attrs, std::span<const Type> in) {
  const Shape &x = in[0].shape, &w = in[1].shape;
  ensure(x.size() == 5 && w.size() == 5, "conv3d: input and weight have five dimensions");
  auto size = conv3d_size(attrs);
  ensure(x[1].value == w[1].value * size.groups, "conv3d: channels differ");
  size.input = spatial(x);
  size.kernel = spatial(w);
  return {{in[0].dtype, {x[0], w[0], size.output(0), size.output(1), size.output(2)}}};
}

std::vector<Type> grad_input_type(const Dict& attrs, std::span<const Type> in) {
  const auto size = three(attrs, "input_size");
  const int64_t channels = in[1].shape[1].value * get_int(attrs, "groups", 1);
  return {{in[0].dtype, {in[0].shape[0], channels, size[0], size[1], size[2]}}};
}

std::vector<Type> grad_weight_type(const Dict& attrs, std::span<const Type> in) {
  const Shape &x = in[0].shape, &g = in[1].shape;
  const auto kernel = three(attrs, "kernel_size");
  const int64_t channels = x[1].value / get_int(attrs, "groups", 1);
  std::vector<Type> out = {{in[0].dtype, {g[1], channels, kernel[0], kernel[1], kernel[2]}}};
  if (get_bool(attrs, "bias")) out.push_back({in[0].dtype, {g[1]}});
  return out;
}

Three spatial(const Operand& x) { return {x.dim(2), x.dim(3), x.dim(4)}; }

}  // namespace

Conv3dSize conv3d_size(const Dict& attrs) {
  return {three(attrs, "stride"), three(attrs, "padding"), three(attrs, "dilation"),
          get_int(attrs, "groups", 1)};
}

Conv3dSize conv3d_size(const Dict& attrs, const Operand& x, const Operand& w, const Operand& y) {
  auto size = conv3d_size(attrs);
  size.volumes = x.dim(0);
  size.in_channels = x.dim(1);
  size.out_channels = w.dim(0);
  size.input = spatial(x);
  size.kernel = spatial(w);
  size.result = spatial(y);
  return size;
}

void register_conv3d_ops(Registry& registry) {
  registry.add(OpDef{.name = "conv3d", .infer = conv_type});
  registry.add(OpDef{.name = "conv3d_grad_input", .infer = grad_input_type});
  registry.add(OpDef{.name = "conv3d_grad_weight", .infer = grad_weight_type, .merge = "sum"});
}

}  // namespace braid
