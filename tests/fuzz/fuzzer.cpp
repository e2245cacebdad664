// For libFuzzer: clang, -DBRAID_FUZZ=ON.
//
//   cmake --preset fuzz && cmake --build build/fuzz --target network_fuzzer
//   build/fuzz/bin/network_fuzzer -dict=tests/fuzz/network.dict -max_total_time=600 \
//     -timeout=10 -rss_limit_mb=3000 /tmp/found tests/fuzz/corpus tests/dsl/cases
#include <cstddef>
#include <cstdint>
#include <string>

#include "fuzz/network.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  braid::fuzz::try_network(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
