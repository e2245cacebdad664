// The operations of AdaptiveAvgPool2d:
//   adaptive_avg_pool2d       x -> y    attribute output_size: [h, w]
//   adaptive_avg_pool2d_grad  g -> dx   attribute input_size: [H, W]
// Output cell i sees the rows from floor(i H / h) to before ceil((i + 1) H / h), as in PyTorch.
#pragma once
#include <braid/core/registry.h>

namespace braid {

/// The cells [begin, end) of `size` that output cell i of `count` sees. The output cells that see
/// cell i are adaptive_span(i, count, size).
struct Span {
  int64_t begin, end;
  constexpr int64_t size() const { return end - begin; }
};
constexpr Span adaptive_span(int64_t i, int64_t size, int64_t count) {
  return {i * size / count, ((i + 1) * size + count - 1) / count};
}

void register_adaptive_avg_pool2d_ops(Registry& registry);
void register_adaptive_avg_pool2d_kernels(Registry& registry);
void register_adaptive_avg_pool2d_reference(Registry& registry);

}  // namespace braid
