#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_leaky_relu(Registry&);
void register_leaky_relu_references(Registry&);

}  // namespace braid
