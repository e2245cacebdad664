#include "ops/elementwise.h"
#include "ops/ops.h"

namespace braid {

void register_arithmetic_references(Registry& registry) {
  for (const char* op : {"add", "merge_sum"})
    registry.add(map_reference(op, [](double a, double b) { return a + b; }));
}

}  // namespace braid
