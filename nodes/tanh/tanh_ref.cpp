#include <cmath>

#include "ops/elementwise.h"
#include "tanh/tanh.h"

namespace braid {

void register_tanh_references(Registry& registry) {
  registry.add(map_reference("tanh", [](double x) { return std::tanh(x); }));
  registry.add(map_reference("tanh_grad", [](double g, double y) { return g * (1 - y * y); }));
}

}  // namespace braid
