#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_accuracy(Registry&);

}  // namespace braid
