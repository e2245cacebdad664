#include <cmath>

#include "ops/elementwise.h"
#include "sigmoid/sigmoid.h"

namespace braid {

void register_sigmoid_references(Registry& registry) {
  registry.add(map_reference("sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }));
  registry.add(map_reference("sigmoid_grad", [](double g, double y) { return g * y * (1 - y); }));
}

}  // namespace braid
