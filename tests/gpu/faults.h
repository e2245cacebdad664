#pragma once
#include <cstdint>

namespace faults {

/// An illegal access: the device is of no use to this process any more.
void poison();
/// So many bytes of the device's memory are left.
void leave_memory(std::int64_t bytes);
/// No other kernel can begin, until undo() or for 20 seconds.
void occupy();
/// Of leave_memory() and occupy().
void undo();

}  // namespace faults
