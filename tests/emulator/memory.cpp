#include "memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace emulator {
namespace {

constexpr size_t page = 4096, alignment = 256;
constexpr unsigned char guard = 0xA5, fresh = 0xFF;

size_t up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

void* Memory::allocate(int device, size_t bytes) {
  bytes = std::max<size_t>(bytes, 1);
  if (bytes > limit || used(device) + bytes > limit) return nullptr;
  Allocation a{.device = device, .bytes = bytes};
  a.page_bytes = up(bytes, page);
  a.map_bytes = a.page_bytes + 2 * page;
  void* map =
      mmap(nullptr, a.map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return nullptr;
  a.map = static_cast<unsigned char*>(map);
  a.pages = a.map + page;
  a.memory = a.pages + a.page_bytes - up(bytes, alignment);
  mprotect(a.pages, a.page_bytes, PROT_READ | PROT_WRITE);
  std::memset(a.pages, guard, size_t(a.memory - a.pages));
  std::memset(a.memory, fresh, bytes);
  std::memset(a.memory + bytes, guard, size_t(a.pages + a.page_bytes - a.memory - bytes));
  set(a);
  all_[reinterpret_cast<uintptr_t>(a.map)] = a;
  return a.memory;
}

bool Memory::release(void* memory) {
  auto* a = near(memory);
  if (!a || a->memory != memory) return false;
  const Allocation gone = *a;
  all_.erase(reinterpret_cast<uintptr_t>(gone.map));
  munmap(gone.map, gone.map_bytes);
  return true;
}

void Memory::clear() {
  for (auto& [at, a] : all_) munmap(a.map, a.map_bytes);
  all_.clear();
  single_.clear();
  open_ = 0;
}

const Allocation* Memory::near(const void* at) const {
  auto address = reinterpret_cast<uintptr_t>(at);
  auto behind = all_.upper_bound(address);
  if (behind == all_.begin()) return nullptr;
  auto& a = std::prev(behind)->second;
  return address < reinterpret_cast<uintptr_t>(a.map) + a.map_bytes ? &a : nullptr;
}

const Allocation* Memory::find(const void* from, size_t bytes) const {
  auto* a = near(from);
  auto* first = static_cast<const unsigned char*>(from);
  return a && first >= a->memory && first + bytes <= a->memory + a->bytes ? a : nullptr;
}

void Memory::set(const Allocation& a) const {
  const bool open = !protects_ || (open_ >> a.device & 1);
  mprotect(a.pages, a.page_bytes, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

void Memory::open(unsigned devices) {
  close_single();
  const unsigned changed = open_ ^ devices;
  open_ = devices;
  if (!changed || !protects_) return;
  for (auto& [at, a] : all_)
    if (changed >> a.device & 1) set(a);
}

void Memory::open_only(std::initializer_list<const void*> addresses) {
  open(0);
  for (const void* address : addresses)
    if (auto* a = near(address); a && protects_) {
      mprotect(a->pages, a->page_bytes, PROT_READ | PROT_WRITE);
      single_.push_back(address);
    }
}

void Memory::close_single() {
  for (const void* address : single_)
    if (auto* a = near(address)) set(*a);
  single_.clear();
}

void Memory::look_after(const char* kernel) const {
  for (auto& [at, a] : all_) {
    if (protects_ && !(open_ >> a.device & 1)) continue;
    for (auto* p = a.pages; p < a.memory; ++p)
      if (*p != guard) die("%s\n  wrote %td bytes before an allocation", kernel, a.memory - p);
    auto* end = a.memory + a.bytes;
    for (auto* p = end; p < a.pages + a.page_bytes; ++p)
      if (*p != guard)
        die("%s\n  wrote %td bytes behind an allocation of %zu bytes", kernel, p - end, a.bytes);
  }
}

void Memory::protect(bool on) {
  protects_ = on;
  for (auto& [at, a] : all_) set(a);
}

size_t Memory::used(int device) const {
  size_t sum = 0;
  for (auto& [at, a] : all_)
    if (device < 0 || a.device == device) sum += a.bytes;
  return sum;
}

void* Pinned::allocate(size_t bytes) {
  bytes = up(std::max<size_t>(bytes, 1), page);
  void* memory = std::aligned_alloc(page, bytes);
  if (!memory) return nullptr;
  std::memset(memory, fresh, bytes);
  all_[reinterpret_cast<uintptr_t>(memory)] = bytes;
  return memory;
}

bool Pinned::release(void* memory) {
  if (!all_.erase(reinterpret_cast<uintptr_t>(memory))) return false;
  std::free(memory);
  return true;
}

bool Pinned::holds(const void* from, size_t bytes) const {
  auto address = reinterpret_cast<uintptr_t>(from);
  auto behind = all_.upper_bound(address);
  if (behind == all_.begin()) return false;
  auto& [at, size] = *std::prev(behind);
  return address + bytes <= at + size;
}

void Pinned::clear() {
  for (auto& [at, size] : all_) std::free(reinterpret_cast<void*>(at));
  all_.clear();
}

}  // namespace emulator
