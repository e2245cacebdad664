#pragma once
#include <braid/core/registry.h>

namespace braid {

/// The kernels of all folders that have some.
void register_cuda_kernels(Registry& registry);

}  // namespace braid
