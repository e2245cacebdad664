// All layers, losses, metrics and optimizers that come with Braid.
//
//   Registry registry;
//   register_builtin(registry);
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_builtin(Registry& registry);

}  // namespace braid
