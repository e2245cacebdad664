// The host's memory. Plug-ins compile this file, too: their devices derive from DeviceMemory.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <braid/runtime/backend.h>

namespace braid {

void* DeviceMemory::allocate(int64_t bytes) {
  auto size = size_t((std::max<int64_t>(bytes, 256) + 255) / 256 * 256);
  void* memory = std::aligned_alloc(256, size);
  if (!memory)
    throw Error(Fault::run, "E0401", "out of memory: " + std::to_string(bytes >> 20) + " MiB");
  return memory;
}

void DeviceMemory::release(void* memory) noexcept { std::free(memory); }
void DeviceMemory::write(void* to, const void* from, int64_t bytes) {
  std::memcpy(to, from, size_t(bytes));
}
void DeviceMemory::read(void* to, const void* from, int64_t bytes) const {
  std::memcpy(to, from, size_t(bytes));
}

void DeviceMemory::poison(void* memory, int64_t bytes) { std::memset(memory, 0xff, size_t(bytes)); }

}  // namespace braid
