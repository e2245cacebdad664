// The operations of Concat:
//   concat  x0, x1, ... -> y   attribute dim
//   slice   x -> y             attributes dim, begin, size: y is [begin, begin + size) of dim
// Both copy, and both run over channel-blocked memory where no block would be cut.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_concat_ops(Registry& registry);
void register_concat_kernels(Registry& registry);
void register_concat_references(Registry& registry);

}  // namespace braid
