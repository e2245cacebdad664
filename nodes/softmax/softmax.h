#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_softmax(Registry&);
void register_softmax_references(Registry&);

}  // namespace braid
