// full(any): f32 of `shape`, `value` in every element. Of its input it needs nothing but N.
#include <algorithm>

#include "ops/ops.h"
#include "ops/shape_attr.h"

namespace braid {
namespace {

template <class T>
KernelBody make(const Signature& s) {
  return [value = T(get_double(s.attrs, "value")), n = s.out[0].elements()](const KernelArgs& a) {
    std::fill_n(a.out<T>(0), n, value);
  };
}

}  // namespace

void register_full(Registry& registry) {
  auto infer = [](const Dict& attrs, std::span<const Type>) {
    return std::vector<Type>{{DType::f32, shape_of(*find(attrs, "shape"))}};
  };
  registry.add(OpDef{.name = "full", .infer = infer});
  registry.add(plain_kernel("full", "cpu", make<float>));
  registry.add(plain_kernel("full", "reference", make<double>));
}

}  // namespace braid
