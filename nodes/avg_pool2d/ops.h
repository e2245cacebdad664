// The operations of AvgPool2d:
//   avg_pool2d       x -> y
//   avg_pool2d_grad  g -> dx   attribute input_size: [H, W]
// Both take count_include_pad: whether a window's mean counts the zeros of the padding (but never
// cells beyond it, which windows of ceil_mode see).
#pragma once
#include <braid/core/registry.h>

#include "max_pool2d/window.h"

namespace braid {

/// What window (i, j) of an average sees: rows [top, bottom), columns [left, right) of the image,
/// and the number that their sum is divided by.
struct AverageWindow {
  int64_t top, bottom, left, right, count;
};
constexpr AverageWindow average_window(const PoolWindow& pool, bool count_padding, int64_t height,
                                       int64_t width, int64_t i, int64_t j) {
  int64_t top = i * pool.stride[0] - pool.padding[0], left = j * pool.stride[1] - pool.padding[1];
  int64_t bottom = std::min(top + pool.kernel[0], height + pool.padding[0]);
  int64_t right = std::min(left + pool.kernel[1], width + pool.padding[1]);
  int64_t counted = (bottom - top) * (right - left);
  AverageWindow seen = {std::max<int64_t>(top, 0), std::min(bottom, height),
                        std::max<int64_t>(left, 0), std::min(right, width), counted};
  if (!count_padding) seen.count = (seen.bottom - seen.top) * (seen.right - seen.left);
  return seen;
}

void register_avg_pool2d_ops(Registry& registry);
void register_avg_pool2d_plain(Registry& registry);
void register_avg_pool2d_reference(Registry& registry);

}  // namespace braid
