#include "dropout/dropout.h"

namespace braid {

void register_dropout_references(Registry& registry) {
  auto make = [](const Signature& s) -> KernelBody {
    return [rule = DropoutRule(s.attrs, s.in[0]), n = s.in[0].elements()](const KernelArgs& a) {
      for (int64_t i = 0; i < n; ++i) {
        bool falls = rule.falls(rule.key(*a.scalars), rule.first(a.first_sample) + i);
        a.out<double>(0)[i] = falls ? 0 : a.in<double>(0)[i] * rule.scale;
      }
    };
  };
  registry.add(plain_kernel("dropout", "reference", make));
}

}  // namespace braid
