#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_relu(Registry&);
void register_relu_references(Registry&);

}  // namespace braid
