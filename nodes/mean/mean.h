#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_mean(Registry&);
void register_mean_references(Registry&);

}  // namespace braid
