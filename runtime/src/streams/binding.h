// A plan's steps with the memory of its devices filled in: what is enqueued in every step, the same
// pointers each time.
//
//   control block of a device    a word for each part that may fail, three counts for each result
//                                that is looked at (NaN, +inf, -inf), the stop word, the scalars
//   feeds                        the slices of the inputs that a device reads, side by side
#pragma once
#include <utility>
#include <vector>

#include <braid/core/plan.h>
#include <braid/runtime/backend.h>
#include <braid/runtime/executor.h>

namespace braid {

/// The memory of a device that belongs to one executor.
class DeviceBlock {
 public:
  DeviceBlock(Device& device, int64_t bytes) : device_(&device), data_(device.allocate(bytes)) {}
  DeviceBlock(DeviceBlock&& other) noexcept
      : device_(other.device_), data_(std::exchange(other.data_, nullptr)) {}
  DeviceBlock& operator=(DeviceBlock&&) = delete;
  ~DeviceBlock() {
    if (data_) device_->release(data_);
  }
  std::byte* at(int64_t offset = 0) const { return static_cast<std::byte*>(data_) + offset; }

 private:
  Device* device_;
  void* data_;
};

/// Memory of the host that a device copies without a detour.
class StagingBlock {
 public:
  StagingBlock(Device& device, int64_t bytes)
      : device_(&device), data_(device.allocate_staging(bytes)) {}
  StagingBlock(StagingBlock&& other) noexcept
      : device_(other.device_), data_(std::exchange(other.data_, nullptr)) {}
  StagingBlock& operator=(StagingBlock&&) = delete;
  ~StagingBlock() {
    if (data_) device_->release_staging(data_);
  }
  std::byte* at(int64_t offset = 0) const { return static_cast<std::byte*>(data_) + offset; }

 private:
  Device* device_;
  void* data_;
};

/// Where things lie in the blocks; the same for every step and both bindings.
struct Offsets {
  explicit Offsets(const Plan& plan);

  std::vector<int64_t> status;  ///< step -> its first word in the control block, -1 = none
  std::vector<int64_t> counts;  ///< step -> its first count (words), -1 = none
  int64_t words = 0;            ///< status words of a device
  int64_t all_words = 0;        ///< and counts
  int64_t stop = 0, scalars = 0, control_bytes = 0;  ///< bytes

  std::vector<int64_t> feed;        ///< slot -> bytes from the start of its device's feeds, -1
  std::vector<int64_t> feed_bytes;  ///< by device
};

/// One set of feeds and the arguments of all launches that read it. There are two: one step's
/// inputs are brought while the other step runs.
struct Binding {
  std::vector<DeviceBlock> feeds;                  ///< by device
  std::vector<StagingBlock> staging;               ///< by device: scalars, then the feeds
  std::vector<void*> pointers;                     ///< by operand
  std::vector<std::vector<KernelArgs>> arguments;  ///< step -> parts
  std::vector<Recording*> recordings;              ///< by segment; empty = not recorded yet
  int runs = 0;                                    ///< since the pointers were made
};

/// Bytes before the feeds in a staging block.
inline constexpr int64_t staged_scalars = 256;

}  // namespace braid
