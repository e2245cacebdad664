// Memory of the emulated devices, and pinned memory of the host.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <vector>

namespace emulator {

/// Ends the process: only a bug gets here.
[[noreturn]] void die(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// An allocation lies between two guard pages, its end as near to the second as alignment allows.
/// What is left of its own pages holds a pattern that is looked after.
struct Allocation {
  int device;
  unsigned char *map, *pages, *memory;
  size_t map_bytes, page_bytes, bytes;
};

class Memory {
 public:
  void* allocate(int device, size_t bytes);  ///< null when the device has none left
  bool release(void* memory);
  void clear();

  /// The allocation that holds all of these bytes.
  const Allocation* find(const void* from, size_t bytes) const;
  /// The allocation or guard page that this address lies in.
  const Allocation* near(const void* at) const;

  /// Opens the memory of these devices (bits) and closes that of others. What it costs follows from
  /// the number of allocations, so it is left open as long as the emulator runs.
  void open(unsigned devices);
  /// Opens the allocations that these addresses lie in, and closes all others.
  void open_only(std::initializer_list<const void*> addresses);
  /// Whether anything outside of the allocations was written; dies if so.
  void look_after(const char* kernel) const;

  size_t used(int device) const;
  void protect(bool on);
  size_t limit = size_t(2) << 30;

 private:
  void set(const Allocation&) const;
  void close_single();

  bool protects_ = true;
  std::vector<const void*> single_;

  std::map<uintptr_t, Allocation> all_;  // by their maps
  unsigned open_ = 0;
};

/// Memory that the device copies from and to by itself.
class Pinned {
 public:
  void* allocate(size_t bytes);
  bool release(void* memory);
  bool holds(const void* from, size_t bytes) const;
  void clear();

 private:
  std::map<uintptr_t, size_t> all_;
};

}  // namespace emulator
