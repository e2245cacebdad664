#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_silu(Registry&);
void register_silu_references(Registry&);

}  // namespace braid
