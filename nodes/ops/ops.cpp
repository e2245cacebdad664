// Operations that belong to no single layer.
#include "ops/ops.h"

namespace braid {

void register_ops(Registry& registry) {
  register_arithmetic(registry);
  register_arithmetic_references(registry);
  register_count(registry);
  register_full(registry);
  register_pair(registry);
}

}  // namespace braid
