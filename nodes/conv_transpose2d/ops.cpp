#include "conv_transpose2d/ops.h"

#include <braid/core/error.h>

#include "conv2d/size.h"

namespace braid {
namespace {

// The convolution that is transposed here has to take an image of output_size to one of x's size.
std::vector<Type> transposed_type(const Dict& attrs, std::span<const Type> in) {
  const Shape &x = in[0].shape, &w = in[1].shape;
  ensure(x.size() == 4 && w.size() == 4, "conv_transpose2d: input and weight have four dimensions");
  ensure(x[1].value == w[0].value, "conv_transpose2d: channels differ");
  auto size = get_ints(attrs, "output_size");
  ensure(size.size() == 2, "conv_transpose2d: output_size is a list of two");
  auto window = conv_window(attrs);
  for (int d = 0; d < 2; ++d)
    ensure(window.output(d, size[size_t(d)], w[size_t(2 + d)].value) == x[size_t(2 + d)].value,
           "conv_transpose2d: no convolution takes output_size to the input's size");
  return {{in[0].dtype, {x[0], w[1].value * window.groups, size[0], size[1]}}};
}

std::vector<Type> bias_type(const Dict&, std::span<const Type> in) {
  ensure(in[0].rank() == 4, "conv_transpose2d_grad_bias: the gradient has four dimensions");
  return {{in[0].dtype, {in[0].shape[1]}}};
}

}  // namespace

void register_conv_transpose2d_ops(Registry& registry) {
  registry.add(OpDef{.name = "conv_transpose2d", .infer = transposed_type});
  registry.add(OpDef{.name = "conv_transpose2d_grad_bias", .infer = bias_type, .merge = "sum"});
}

}  // namespace braid
