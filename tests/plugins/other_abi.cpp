// A plug-in of another Braid: had its register function been called, it would end the process.
#include <cstdlib>

extern "C" __attribute__((visibility("default"))) const char* braid_plugin_abi() {
  return "braid 0.0.9, g++ abi 1, libstdc++ abi 0, layout 1 2 3";
}
extern "C" __attribute__((visibility("default"))) void braid_plugin_register(void*) {
  std::abort();
}
