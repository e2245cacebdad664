// The one symbol of libbraid_cuda.so. `abi` is checked before any C++ object crosses.
#include <cstring>

#include <braid/runtime/plugin.h>

#include "backend.h"

extern "C" __attribute__((visibility("default"))) braid::Backend* braid_backend(const char* abi) {
  return std::strcmp(abi, BRAID_PLUGIN_ABI) == 0 ? braid::cuda::make_backend().release() : nullptr;
}
