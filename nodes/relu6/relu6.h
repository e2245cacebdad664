#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_relu6(Registry&);
void register_relu6_references(Registry&);

}  // namespace braid
