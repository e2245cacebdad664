#include "ops/elementwise.h"
#include "relu6/relu6.h"

namespace braid {

void register_relu6_references(Registry& registry) {
  registry.add(map_reference("relu6", [](double x) { return x < 0 ? 0 : x > 6 ? 6 : x; }));
  registry.add(
      map_reference("relu6_grad", [](double g, double y) { return y > 0 && y < 6 ? g : 0; }));
}

}  // namespace braid
