// add and the merges of sums. Merges run over memory in whatever format a partial result has.
#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/arithmetic.cpp"
#include <hwy/foreach_target.h>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void add_f32(const float* a, const float* b, float* y, int64_t n) {
  map(
      n, [](auto, auto l, auto r) HWY_ATTR { return hn::Add(l, r); }, y, a, b);
}

void add_f64(const double* a, const double* b, double* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <braid/core/error.h>

#include "ops/ops.h"

namespace braid {
namespace {

HWY_EXPORT(add_f32);
HWY_EXPORT(add_f64);

std::vector<Type> both_alike(const Dict&, std::span<const Type> in) {
  if (!(in[0] == in[1]))
    throw Error(Fault::model, "E0203",
                "cannot add " + to_string(in[0]) + " and " + to_string(in[1]));
  return {in[0]};
}

KernelBody make_add(const Signature& s) {
  int64_t n = s.in[0].storage();
  if (s.in[0].dtype == DType::f64)
    return [n](const KernelArgs& a) {
      HWY_DYNAMIC_DISPATCH(add_f64)(a.in<double>(0), a.in<double>(1), a.out<double>(0), n);
    };
  ensure(s.in[0].dtype == DType::f32, "sums are of f32 or f64");
  return [n](const KernelArgs& a) {
    HWY_DYNAMIC_DISPATCH(add_f32)(a.in<float>(0), a.in<float>(1), a.out<float>(0), n);
  };
}

}  // namespace

void register_arithmetic(Registry& registry) {
  for (const char* op : {"add", "merge_sum"}) {
    registry.add(OpDef{.name = op, .infer = both_alike, .linear = true});
    registry.add(elementwise_kernel(op, "cpu", make_add, true, 0));
  }
}

}  // namespace braid
#endif
