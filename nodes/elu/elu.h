#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_elu(Registry&);
void register_elu_references(Registry&);

}  // namespace braid
