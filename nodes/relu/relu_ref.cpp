#include "ops/elementwise.h"
#include "relu/relu.h"

namespace braid {

void register_relu_references(Registry& registry) {
  registry.add(map_reference("relu", [](double x) { return x < 0 ? 0 : x; }));
  registry.add(map_reference("relu_grad", [](double g, double y) { return y > 0 ? g : 0; }));
}

}  // namespace braid
