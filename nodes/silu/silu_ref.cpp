#include <cmath>

#include "ops/elementwise.h"
#include "silu/silu.h"

namespace braid {

void register_silu_references(Registry& registry) {
  registry.add(map_reference("silu", [](double x) { return x / (1 + std::exp(-x)); }));
  registry.add(map_reference("silu_grad", [](double g, double x) {
    const double s = 1 / (1 + std::exp(-x));
    return g * s * (1 + x * (1 - s));
  }));
}

}  // namespace braid
