// Until the runtime has them.
#include <braid/runtime/backend.h>

#include <cstdlib>
#include <cstring>

namespace braid {

void* DeviceMemory::allocate(int64_t bytes) { return std::malloc(size_t(bytes)); }
void DeviceMemory::release(void* memory) noexcept { std::free(memory); }
void DeviceMemory::write(void* to, const void* from, int64_t bytes) {
  std::memcpy(to, from, size_t(bytes));
}
void DeviceMemory::read(void* to, const void* from, int64_t bytes) const {
  std::memcpy(to, from, size_t(bytes));
}

}  // namespace braid
