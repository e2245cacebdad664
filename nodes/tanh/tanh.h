#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_tanh(Registry&);
void register_tanh_references(Registry&);

}  // namespace braid
