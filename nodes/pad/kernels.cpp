#include <algorithm>
#include <cstring>

#include "pad/ops.h"

namespace braid {
namespace {

struct Axis {
  int64_t from, to, before;  ///< cells of x, of y, and of y in front of x's first
  int64_t x_inner, y_inner;  ///< cells of one step

  // The cells of y that x has.
  int64_t first() const { return std::clamp<int64_t>(before, 0, to); }
  int64_t last() const { return std::clamp<int64_t>(before + from, first(), to); }
};

std::vector<Axis> axes_of(const Signature& s) {
  const auto before = get_ints(s.attrs, "before");
  std::vector<Axis> axes(before.size());
  int64_t x_inner = 1, y_inner = 1;
  for (size_t d = axes.size(); d-- > 0;) {
    axes[d] = {s.in[0].dim(d), s.out[0].dim(d), before[d], x_inner, y_inner};
    x_inner *= axes[d].from;
    y_inner *= axes[d].to;
  }
  return axes;
}

void write(const std::vector<Axis>& axes, size_t d, float value, const float* x, float* y) {
  const Axis& axis = axes[d];
  const int64_t first = axis.first(), last = axis.last();
  std::fill_n(y, first * axis.y_inner, value);
  if (d + 1 == axes.size())
    std::copy_n(x + first - axis.before, last - first, y + first);
  else
    for (int64_t i = first; i < last; ++i)
      write(axes, d + 1, value, x + (i - axis.before) * axis.x_inner, y + i * axis.y_inner);
  std::fill_n(y + last * axis.y_inner, (axis.to - last) * axis.y_inner, value);
}

KernelBody make(const Signature& s) {
  return [axes = axes_of(s), value = float(get_double(s.attrs, "value"))](const KernelArgs& a) {
    write(axes, 0, value, a.in<float>(0), a.out<float>(0));
  };
}

}  // namespace

void register_pad_kernels(Registry& registry) {
  for (const char* op : {"pad", "pad_grad"}) registry.add(plain_kernel(op, "cpu", make));
}

}  // namespace braid
