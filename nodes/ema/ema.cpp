#include "ema/ema.h"

namespace braid {
namespace {

std::vector<Type> nothing(const Dict&, std::span<const Type>) { return {}; }

template <class T>
KernelBody make(const Signature& s) {
  return [rule = EmaRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    const EmaStep<T> step(rule, *a.scalars);
    T* average = a.in<T>(0);
    const T* weight = a.in<T>(1);
    for (int64_t i = 0; i < n; ++i) average[i] = step.keep * average[i] + step.take * weight[i];
  };
}

}  // namespace

void register_ema(Registry& registry) {
  // The weight is left as it is: naming it puts the average behind the update.
  registry.add(OpDef{.name = "ema", .infer = nothing, .writes = {0, 1}});
  registry.add(plain_kernel("ema", "cpu", make<float>));
  registry.add(plain_kernel("ema", "reference", make<double>));
}

}  // namespace braid
