#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_sigmoid(Registry&);
void register_sigmoid_references(Registry&);

}  // namespace braid
