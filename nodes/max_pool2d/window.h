// The windows of 2-d pooling, read from an operation's attributes: kernel_size, stride, padding and
// dilation (lists of two), ceil_mode.
#pragma once
#include <algorithm>
#include <array>

#include <braid/core/layer.h>

namespace braid {

struct PoolWindow {
  std::array<int64_t, 2> kernel, stride, padding, dilation;
  bool ceil;

  /// Cells from the first to the last that a window sees along spatial dimension d.
  int64_t reach(int d) const { return dilation[d] * (kernel[d] - 1) + 1; }

  /// PyTorch's rule: with ceil_mode a last window may hang over the edge, but it has to begin
  /// inside the image or its leading padding. 0 when no window fits.
  int64_t output(int d, int64_t input) const {
    int64_t room = input + 2 * padding[d] - reach(d) + (ceil ? stride[d] - 1 : 0);
    if (room < 0) return 0;
    int64_t count = room / stride[d] + 1;
    return ceil && (count - 1) * stride[d] >= input + padding[d] ? count - 1 : count;
  }

  /// Cells after the image's end that windows see: the padding, or more with ceil_mode.
  int64_t end(int d, int64_t input) const {
    return std::max(padding[d], (output(d, input) - 1) * stride[d] + reach(d) - input - padding[d]);
  }
};
PoolWindow pool_window(const Dict& attrs);

/// Type rules: of the pooled image, and of the image whose gradient is asked for (attribute
/// input_size).
Type pooled_type(const Dict& attrs, const Type& image);
Type image_type(const Dict& attrs, const Type& pooled);

// ---- for layers ----

/// Attributes of the pooling operations from the layer's parameters, once the input fits them.
Dict checked_pool_attrs(Builder& b, const Call& call);
/// The same with input_size: what the gradient's operation takes.
Dict pool_grad_attrs(const Builder& b, const Call& call);
/// kernel_size, stride, padding, ceil_mode.
std::vector<ParamDef> pool_params();

}  // namespace braid
