#include <algorithm>
#include "hardswish/hardswish.h"

#include "ops/elementwise.h"

namespace braid {

void register_hardswish_references(Registry& registry) {
  registry.add(map_reference("hardswish",
                             [](double x) { return x * std::min(std::max(x + 3, 0.0), 6.0) / 6; }));
  registry.add(map_reference("hardswish_grad", [](double g, double x) {
    return x <= -3 ? 0 : x >= 3 ? g : g * (x / 3 + 0.5);
  }));
}

}  // namespace braid
