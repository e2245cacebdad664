#include "einsum/ops.h"

namespace braid {
namespace {

/// The cells of a box one after the other, and where each stands in both operands.
class Walk {
 public:
  explicit Walk(const std::vector<Contraction::Axis>& axes) : axes_(axes) {}

  std::array<int64_t, 2> at = {};

  /// To the next cell; false behind the last one.
  bool next() {
    for (size_t k = axes_.size(); k-- > 0;) {
      const auto& axis = axes_[k];
      for (size_t i = 0; i < 2; ++i) at[i] += axis.stride[i];
      if (++index_[k] < axis.size) return true;
      for (size_t i = 0; i < 2; ++i) at[i] -= axis.size * axis.stride[i];
      index_[k] = 0;
    }
    return false;
  }

 private:
  const std::vector<Contraction::Axis>& axes_;
  std::array<int64_t, Contraction::most> index_ = {};
};

// The innermost axis that is summed over is a loop of its own; no axis is one cell.
KernelBody make(const Signature& s) {
  const Contraction loops = contraction_of(s);
  auto outer = loops.summed;
  Contraction::Axis inner;
  if (!outer.empty()) {
    inner = outer.back();
    outer.pop_back();
  }
  const bool two = s.in.size() > 1;
  return [kept = loops.kept, outer, inner, two, cells = s.out[0].elements()](const KernelArgs& a) {
    if (cells == 0) return;
    const float *x = a.in<float>(0), *w = two ? a.in<float>(1) : nullptr;
    float* y = a.out<float>(0);
    const auto [step_x, step_w] = inner.stride;
    Walk cell(kept);
    do {
      double sum = 0;
      Walk term(outer);
      do {
        const float* from = x + cell.at[0] + term.at[0];
        if (two) {
          const float* with = w + cell.at[1] + term.at[1];
          for (int64_t i = 0; i < inner.size; ++i)
            sum += double(from[i * step_x]) * double(with[i * step_w]);
        } else {
          for (int64_t i = 0; i < inner.size; ++i) sum += double(from[i * step_x]);
        }
      } while (term.next());
      *y++ = float(sum);
    } while (cell.next());
  };
}

}  // namespace

void register_einsum_kernels(Registry& registry) {
  for (const char* op : {"einsum", "sum"}) registry.add(plain_kernel(op, "cpu", make));
}

}  // namespace braid
