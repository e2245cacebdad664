#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_hardswish(Registry&);
void register_hardswish_references(Registry&);

}  // namespace braid
