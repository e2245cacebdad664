// Row by row: what is repeated inside a row is filled, what is repeated around it is copied again.
#include <algorithm>
#include <cstring>

#include "expand/ops.h"

namespace braid {
namespace {

/// x seen as [outer, repeated or not ..., inner]: the axes of y, each with x's stride.
struct Axis {
  int64_t size, stride;  ///< 0: the same cell again
};

std::vector<Axis> axes_of(const Signature& s) {
  std::vector<Axis> axes(s.out[0].dims.size());
  int64_t stride = 1;
  for (size_t d = axes.size(); d-- > 0; stride *= s.in[0].dim(d))
    axes[d] = {s.out[0].dim(d), s.in[0].dim(d) == s.out[0].dim(d) ? stride : 0};
  return axes;
}

// Writes the cells of axes d and inside, and returns where the next begin.
char* write(const std::vector<Axis>& axes, size_t d, size_t bytes, const char* x, char* y) {
  if (d == axes.size()) {
    std::memcpy(y, x, bytes);
    return y + bytes;
  }
  const auto [size, stride] = axes[d];
  if (stride == 0) {
    char* end = write(axes, d + 1, bytes, x, y);
    const size_t run = size_t(end - y);
    for (int64_t i = 1; i < size; ++i, end += run) std::memcpy(end, y, run);
    return end;
  }
  if (stride == 1 && d + 1 == axes.size()) {
    std::memcpy(y, x, size_t(size) * bytes);
    return y + size_t(size) * bytes;
  }
  for (int64_t i = 0; i < size; ++i)
    y = write(axes, d + 1, bytes, x + size_t(i * stride) * bytes, y);
  return y;
}

// Of `like` nothing is read, so that its format is any.
std::optional<Offer> offer(const Signature& s, const DeviceTraits&) {
  auto body = [axes = axes_of(s), bytes = size_of(s.out[0].dtype),
               cells = s.out[0].elements()](const KernelArgs& a) {
    if (cells > 0) write(axes, 0, bytes, a.in<char>(0), a.out<char>(0));
  };
  std::vector<Format> formats = {{}};
  if (s.in.size() > 1) formats.push_back(s.in[1].format);
  return Offer{.impl = "braid:expand", .in_formats = formats, .out_formats = {{}}, .bind = [body] {
                 return KernelBody(body);
               }};
}

}  // namespace

void register_expand_kernels(Registry& registry) { registry.add(Kernel{"expand", "cpu", offer}); }

}  // namespace braid
