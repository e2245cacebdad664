#include <array>

#include "math/math.h"
#include "math/spread.h"
#include "math/steps.h"

namespace braid {
namespace {

using namespace math;

std::vector<std::vector<int64_t>> places(const Signature& s) {
  std::vector<std::vector<int64_t>> all;
  for (auto& in : s.in) {
    std::vector<int64_t> at(size_t(s.out[0].elements()));
    Spread(in.dims, s.out[0].dims)
        .runs(0, int64_t(at.size()), [&](int64_t offset, int64_t stride, int64_t i, int64_t n) {
          for (int64_t k = 0; k < n; ++k) at[size_t(i + k)] = offset + k * stride;
        });
    all.push_back(std::move(at));
  }
  return all;
}

KernelBody make_math(const Signature& s) {
  return [program = program_of(*find(s.attrs, "program")), at = places(s),
          n = s.out[0].elements()](const KernelArgs& a) {
    std::array<double, most_steps> r;
    for (int64_t i = 0; i < n; ++i) {
      for (size_t k = 0; k < program.size(); ++k) {
        const Step& step = program[k];
        if (step.op == Op::input)
          r[k] = a.in<double>(step.a)[at[step.a][size_t(i)]];
        else
          r[k] = step.op == Op::constant ? step.value
                                         : apply(step.op, r[step.a], r[step.b], r[step.c]);
      }
      a.out<double>(0)[i] = r[program.size() - 1];
    }
  };
}

KernelBody make_sum(const Signature& s) {
  return [spread = Spread(s.out[0].dims, s.in[0].dims), n = s.in[0].elements(),
          size = s.out[0].elements()](const KernelArgs& a) {
    std::fill_n(a.out<double>(0), size, 0.0);
    spread.runs(0, n, [&](int64_t offset, int64_t stride, int64_t i, int64_t count) {
      for (int64_t k = 0; k < count; ++k)
        a.out<double>(0)[offset + k * stride] += a.in<double>(0)[i + k];
    });
  };
}

}  // namespace

void register_math_references(Registry& registry) {
  registry.add(plain_kernel("math", "reference", make_math));
  registry.add(plain_kernel("sum_to", "reference", make_sum));
}

}  // namespace braid
