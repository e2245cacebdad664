// The one symbol of libbraid_cuda.so. `abi` is checked before any C++ object crosses.
#include <braid/plugin.h>

#include "backend.h"

extern "C" __attribute__((visibility("default"))) braid::Backend* braid_backend(const char* abi) {
  return braid::plugin_abi() == abi ? braid::cuda::make_backend().release() : nullptr;
}
