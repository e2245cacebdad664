#include <cstdlib>
#include <cstring>

#include <braid/runtime/executor.h>

namespace braid {

struct Memory::Arena {
  std::byte* data = nullptr;
  int64_t bytes = 0;
  ~Arena() { std::free(data); }
};

Memory::Memory(int devices) {
  for (int d = 0; d < devices; ++d) arenas_.push_back(std::make_unique<Arena>());
}

Memory::~Memory() = default;

void Memory::reserve(int device, int64_t bytes) {
  auto& arena = *arenas_.at(size_t(device));
  if (arena.data && arena.bytes >= bytes) return;
  std::free(arena.data);
  arena.bytes = (std::max<int64_t>(bytes, 64) + 63) / 64 * 64;
  arena.data = static_cast<std::byte*>(std::aligned_alloc(64, size_t(arena.bytes)));
  if (!arena.data)
    throw Error(Fault::run, "E0401",
                "out of memory: the arena of device " + std::to_string(device) + " takes " +
                    std::to_string(arena.bytes >> 20) + " MiB")
        .help("a smaller batch, or `recompute: true` on blocks, takes less");
  // Touched once, so that no step meets a page fault; NaNs, so that a use before its definition
  // shows.
  std::memset(arena.data, 0xff, size_t(arena.bytes));
  ++generation_;
}

std::byte* Memory::arena(int device) const { return arenas_.at(size_t(device))->data; }
int64_t Memory::bytes(int device) const { return arenas_.at(size_t(device))->bytes; }

}  // namespace braid
