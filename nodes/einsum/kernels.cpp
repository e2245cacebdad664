#include <algorithm>

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

constexpr int kRun = 8;

/// A sum of products in one of three ways, by strides alone.
struct Loops {
  std::vector<Contraction::Axis> kept, summed;
  Contraction::Axis inner;  ///< taken from the end of `kept` (rows) or of `summed`
  bool rows = false;  ///< `inner` is of y, and each operand's next cell is its own or the same

  explicit Loops(Contraction c) : kept(std::move(c.kept)), summed(std::move(c.summed)) {
    auto near = [](int64_t stride) { return stride == 0 || stride == 1; };
    const bool dot = !summed.empty() && summed.back().stride == std::array<int64_t, 2>{1, 1};
    rows = !dot && !kept.empty() && near(kept.back().stride[0]) && near(kept.back().stride[1]);
    auto& from = rows ? kept : summed;
    if (from.empty()) return;
    inner = from.back();
    from.pop_back();
  }
};

// Neighbours in both operands: as many sums as run side by side, added up in the end.
double dot(const float* x, const float* w, int64_t n) {
  double sums[kRun] = {};
  int64_t i = 0;
  for (; i + kRun <= n; i += kRun)
    for (int k = 0; k < kRun; ++k) sums[k] += double(x[i + k]) * double(w[i + k]);
  double sum = 0;
  for (; i < n; ++i) sum += double(x[i]) * double(w[i]);
  for (double part : sums) sum += part;
  return sum;
}

double line(const float* x, const float* w, const Contraction::Axis& axis) {
  const auto [step_x, step_w] = axis.stride;
  double sum = 0;
  if (w == nullptr)
    for (int64_t i = 0; i < axis.size; ++i) sum += double(x[i * step_x]);
  else if (step_x == 1 && step_w == 1)
    return dot(x, w, axis.size);
  else
    for (int64_t i = 0; i < axis.size; ++i) sum += double(x[i * step_x]) * double(w[i * step_w]);
  return sum;
}

/// sums[k] += x * w for `n` cells side by side, of which an operand without step has one.
void add_products(const float* x, int64_t step_x, const float* w, int64_t step_w, int n,
                  double* sums) {
  if (n == kRun && step_x == 0 && step_w == 1)
    for (int k = 0; k < kRun; ++k) sums[k] += double(*x) * double(w[k]);
  else if (n == kRun && step_x == 1 && step_w == 0)
    for (int k = 0; k < kRun; ++k) sums[k] += double(x[k]) * double(*w);
  else
    for (int k = 0; k < n; ++k) sums[k] += double(x[k * step_x]) * double(w[k * step_w]);
}

KernelBody make(const Signature& s) {
  const bool two = s.in.size() > 1;
  return [l = Loops(contraction_of(s)), two, cells = s.out[0].elements()](const KernelArgs& a) {
    if (cells == 0) return;
    static constexpr float one = 1;  // the second operand where there is none
    const float *x = a.in<float>(0), *w = two ? a.in<float>(1) : nullptr;
    float* y = a.out<float>(0);
    Walk cell(l.kept);
    do {
      const float *x0 = x + cell.at[0], *w0 = two ? w + cell.at[1] : nullptr;
      for (int64_t i = 0; l.rows && i < l.inner.size; i += kRun) {
        const int n = int(std::min<int64_t>(kRun, l.inner.size - i));
        double sums[kRun] = {};
        Walk term(l.summed);
        do {
          const float* with = two ? w0 + term.at[1] + i * l.inner.stride[1] : &one;
          add_products(x0 + term.at[0] + i * l.inner.stride[0], l.inner.stride[0], with,
                       l.inner.stride[1], n, sums);
        } while (term.next());
        for (int k = 0; k < n; ++k) *y++ = float(sums[k]);
      }
      if (l.rows) continue;
      double sum = 0;
      Walk term(l.summed);
      do sum += line(x0 + term.at[0], two ? w0 + term.at[1] : nullptr, l.inner);
      while (term.next());
      *y++ = float(sum);
    } while (cell.next());
  };
}

}  // namespace

void register_einsum_kernels(Registry& registry) {
  for (const char* op : {"einsum", "sum"}) registry.add(plain_kernel(op, "cpu", make));
}

}  // namespace braid
