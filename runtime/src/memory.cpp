#include <algorithm>
#include <utility>

#include <braid/runtime/backend.h>
#include <braid/runtime/executor.h>

namespace braid {

Placements host_placements(int count) {
  return Placements(size_t(count), std::make_shared<DeviceMemory>());
}

Memory::Memory(Placements placements)
    : placements_(std::move(placements)), arenas_(placements_.size()) {}

Memory::~Memory() {
  for (size_t d = 0; d < arenas_.size(); ++d)
    if (arenas_[d].data) placements_[d]->release(arenas_[d].data);
}

void Memory::reserve(int device, int64_t bytes) {
  auto& arena = arenas_.at(size_t(device));
  auto& placement = *placements_[size_t(device)];
  if (arena.data && arena.bytes >= bytes) return;
  if (arena.data) placement.release(std::exchange(arena.data, nullptr));
  arena.bytes = std::max<int64_t>(bytes, 64);
  try {
    arena.data = static_cast<std::byte*>(placement.allocate(arena.bytes));
    // Touched once, so that no step meets a page fault; NaNs, so that a use before its definition
    // shows.
    placement.poison(arena.data, arena.bytes);
  } catch (const Error& e) {
    auto d = e.diagnostics().front();
    d.message += ": the arena of device " + std::to_string(device) + " takes " +
                 std::to_string(arena.bytes >> 20) + " MiB";
    d.help("a smaller batch, or `recompute: true` on blocks, takes less");
    throw Error(e.fault(), {std::move(d)});
  }
  ++generation_;
}

std::byte* Memory::arena(int device) const { return arenas_.at(size_t(device)).data; }
int64_t Memory::bytes(int device) const { return arenas_.at(size_t(device)).bytes; }
DeviceMemory& Memory::placement(int device) const { return *placements_.at(size_t(device)); }

}  // namespace braid
