#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_column_sum_cuda(Registry&);

}  // namespace braid
