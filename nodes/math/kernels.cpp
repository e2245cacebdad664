// Blocks of elements that stay in the cache: each step is one vector loop over a block. Logarithms,
// sines, erf and powers are those of f64, rounded once.
#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "math/kernels.cpp"
#include <hwy/foreach_target.h>

#include <cmath>

#include "math/program.h"
#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

template <class D, class M>
HWY_INLINE auto one_where(D d, M m) {
  return hn::IfThenElseZero(m, hn::Set(d, 1.0f));
}

/// `a` where the condition holds or `a` is NaN: NaNs of either side win.
template <class M, class V>
HWY_INLINE V prefer(M m, V a, V b) {
  return hn::IfThenElse(hn::Or(m, hn::IsNaN(a)), a, b);
}

void math_unary(math::Op op, const float* a, float* y, int64_t n) {
  using math::Op;
  auto rounded = [=](double (*f)(double)) {
    for (int64_t i = 0; i < n; ++i) y[i] = float(f(double(a[i])));
  };
  switch (op) {
    case Op::negate:
      return map(
          n, [](auto, auto v) HWY_ATTR { return hn::Neg(v); }, y, a);
    case Op::abs:
      return map(
          n, [](auto, auto v) HWY_ATTR { return hn::Abs(v); }, y, a);
    case Op::exp:
      return map(
          n, [](auto d, auto v) HWY_ATTR { return exp(d, v); }, y, a);
    case Op::sqrt:
      return map(
          n, [](auto, auto v) HWY_ATTR { return hn::Sqrt(v); }, y, a);
    case Op::tanh:
      return map(
          n, [](auto d, auto v) HWY_ATTR { return tanh(d, v); }, y, a);
    case Op::sigmoid:
      return map(
          n, [](auto d, auto v) HWY_ATTR { return sigmoid(d, v); }, y, a);
    case Op::log:
      return rounded(std::log);
    case Op::sin:
      return rounded(std::sin);
    case Op::erf:
      return rounded(std::erf);
    default:
      return rounded(std::cos);
  }
}

void math_binary(math::Op op, const float* a, const float* b, float* y, int64_t n) {
  using math::Op;
  switch (op) {
    case Op::add:
      return map(
          n, [](auto, auto l, auto r) HWY_ATTR { return hn::Add(l, r); }, y, a, b);
    case Op::subtract:
      return map(
          n, [](auto, auto l, auto r) HWY_ATTR { return hn::Sub(l, r); }, y, a, b);
    case Op::multiply:
      return map(
          n, [](auto, auto l, auto r) HWY_ATTR { return hn::Mul(l, r); }, y, a, b);
    case Op::divide:
      return map(
          n, [](auto, auto l, auto r) HWY_ATTR { return hn::Div(l, r); }, y, a, b);
    case Op::min:
      return map(
          n, [](auto, auto l, auto r) HWY_ATTR { return prefer(hn::Lt(l, r), l, r); }, y, a, b);
    case Op::max:
      return map(
          n, [](auto, auto l, auto r) HWY_ATTR { return prefer(hn::Gt(l, r), l, r); }, y, a, b);
    case Op::less:
      return map(
          n, [](auto d, auto l, auto r) HWY_ATTR { return one_where(d, hn::Lt(l, r)); }, y, a, b);
    case Op::less_equal:
      return map(
          n, [](auto d, auto l, auto r) HWY_ATTR { return one_where(d, hn::Le(l, r)); }, y, a, b);
    case Op::equal:
      return map(
          n, [](auto d, auto l, auto r) HWY_ATTR { return one_where(d, hn::Eq(l, r)); }, y, a, b);
    case Op::not_equal:
      return map(
          n, [](auto d, auto l, auto r) HWY_ATTR { return one_where(d, hn::Ne(l, r)); }, y, a, b);
    default:
      for (int64_t i = 0; i < n; ++i) y[i] = float(std::pow(double(a[i]), double(b[i])));
  }
}

void math_choose(const float* c, const float* a, const float* b, float* y, int64_t n) {
  auto f = [](auto d, auto ci, auto ai, auto bi)
               HWY_ATTR { return hn::IfThenElse(hn::Ne(ci, hn::Zero(d)), ai, bi); };
  map(n, f, y, c, a, b);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cstring>

#include "math/math.h"
#include "math/spread.h"

namespace braid {
namespace {

HWY_EXPORT(math_unary);
HWY_EXPORT(math_binary);
HWY_EXPORT(math_choose);

using namespace math;

constexpr int64_t block = 512;

/// Every step has a block of the workspace, but for inputs that are read where they are.
class Evaluation {
 public:
  explicit Evaluation(const Signature& s)
      : program_(program_of(*find(s.attrs, "program"))), elements_(s.out[0].elements()) {
    for (auto& in : s.in) spreads_.emplace_back(in.dims, s.out[0].dims);
  }

  int64_t workspace() const { return int64_t(program_.size()) * block * int64_t(sizeof(float)); }

  void run(const KernelArgs& a) const {
    float* registers = static_cast<float*>(a.workspace);
    for (size_t k = 0; k < program_.size(); ++k)
      if (program_[k].op == Op::constant)
        std::fill_n(registers + int64_t(k) * block, block, float(program_[k].value));
    for (int64_t first = 0; first < elements_; first += block)
      run(a, registers, first, std::min(block, elements_ - first));
  }

 private:
  void run(const KernelArgs& a, float* registers, int64_t first, int64_t n) const {
    const float* at[most_steps];
    for (size_t k = 0; k < program_.size(); ++k) {
      const Step& s = program_[k];
      const bool last = k + 1 == program_.size();
      float* y = last ? a.out<float>(0) + first : registers + int64_t(k) * block;
      at[k] = y;
      if (s.op == Op::input)
        at[k] = input(a.in<const float>(s.a), spreads_[s.a], first, n, y);
      else if (s.op == Op::choose)
        HWY_DYNAMIC_DISPATCH(math_choose)(at[s.a], at[s.b], at[s.c], y, n);
      else if (operands(s.op) == 2)
        HWY_DYNAMIC_DISPATCH(math_binary)(s.op, at[s.a], at[s.b], y, n);
      else if (operands(s.op) == 1)
        HWY_DYNAMIC_DISPATCH(math_unary)(s.op, at[s.a], y, n);
      if (last && at[k] != y) std::memcpy(y, at[k], size_t(n) * sizeof(float));
    }
  }

  static const float* input(const float* x, const Spread& spread, int64_t first, int64_t n,
                            float* to) {
    if (spread.is_whole()) return x + first;
    spread.runs(first, n, [&](int64_t offset, int64_t stride, int64_t at, int64_t count) {
      for (int64_t k = 0; k < count; ++k) to[at + k] = x[offset + k * stride];
    });
    return to;
  }

  Program program_;
  int64_t elements_;
  std::vector<Spread> spreads_;
};

std::optional<Offer> offer_math(const Signature& s, const DeviceTraits&) {
  Signature plain = s;
  for (auto* operands : {&plain.in, &plain.out})
    for (auto& operand : *operands) operand.format = {};
  return Offer{.impl = "braid:math",
               .in_formats = std::vector<Format>(s.in.size()),
               .out_formats = {{}},
               .workspace = Evaluation(plain).workspace(),
               .bind = [plain]() -> KernelBody {
                 return [e = Evaluation(plain)](const KernelArgs& a) { e.run(a); };
               }};
}

/// Sums in f64, in the order of memory, rounded once.
std::optional<Offer> offer_sum(const Signature& s, const DeviceTraits&) {
  const int64_t n = s.in[0].elements(), size = s.out[0].elements();
  auto bind = [spread = Spread(s.out[0].dims, s.in[0].dims), n, size]() -> KernelBody {
    return [=](const KernelArgs& a) {
      auto sums = static_cast<double*>(a.workspace);
      std::fill_n(sums, size, 0.0);
      const float* x = a.in<const float>(0);
      spread.runs(0, n, [&](int64_t offset, int64_t stride, int64_t at, int64_t count) {
        for (int64_t k = 0; k < count; ++k) sums[offset + k * stride] += double(x[at + k]);
      });
      for (int64_t i = 0; i < size; ++i) a.out<float>(0)[i] = float(sums[i]);
    };
  };
  return Offer{.impl = "braid:sum_to",
               .in_formats = {{}},
               .out_formats = {{}},
               .workspace = size * int64_t(sizeof(double)),
               .bind = bind};
}

}  // namespace

void register_math_operations(Registry& registry) {
  registry.add(Kernel{"math", "cpu", offer_math});
  registry.add(Kernel{"sum_to", "cpu", offer_sum});
}

}  // namespace braid
#endif
