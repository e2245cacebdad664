// pair(a, b): two f64 [1] side by side, the (sum, count) that losses and metrics return.
#include <braid/core/error.h>

#include "ops/ops.h"

namespace braid {
namespace {

std::vector<Type> infer(const Dict&, std::span<const Type> in) {
  const Type one{DType::f64, {1}};
  ensure(in[0] == one && in[1] == one, "pair takes two f64 [1]");
  return {{DType::f64, {2}}};
}

KernelBody make(const Signature&) {
  return [](const KernelArgs& a) {
    a.out<double>(0)[0] = a.in<double>(0)[0];
    a.out<double>(0)[1] = a.in<double>(1)[0];
  };
}

}  // namespace

void register_pair(Registry& registry) {
  registry.add(OpDef{.name = "pair", .infer = infer});
  // The reference is the same code: everything is f64 already.
  for (const char* device : {"cpu", "reference"}) registry.add(plain_kernel("pair", device, make));
}

}  // namespace braid
