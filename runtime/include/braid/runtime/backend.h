// Backend: what the runtime asks of a kind of device whose work is enqueued, and what a plug-in
// (libbraid_cuda.so) gives it. A Device is one *placement*: its memory, queues and events. Two
// placements may lie on one piece of hardware, and then share nothing.
//
//   auto backend = load_backend("cuda");          // Error(device, "E0507") says what was sought
//   where backend->register_kernels(registry); auto device = backend->open("cuda:0"); void* p =
//   device->allocate(1 << 20);
//
// Enqueuing functions return at once. A queue is used by one thread at a time. After an error that
// the hardware does not recover from, every call on the device throws it again.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <braid/core/error.h>
#include <braid/core/registry.h>

namespace braid {

/// A device's memory as the owner of State and arenas sees it. The default is the host's.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;
  /// 256-byte aligned; contents are undefined. Throws Error(run, "E0401") when there is none left.
  virtual void* allocate(int64_t bytes);
  virtual void release(void* memory) noexcept;
  /// Blocking copies from and to the host.
  virtual void write(void* to, const void* from, int64_t bytes);
  virtual void read(void* to, const void* from, int64_t bytes) const;
  /// Fills with what is no number.
  virtual void poison(void* memory, int64_t bytes);
  /// Memory of the host that this device copies without a detour.
  virtual void* allocate_staging(int64_t bytes) { return allocate(bytes); }
  virtual void release_staging(void* memory) noexcept { release(memory); }
};

/// The devices of a session, in the order in which it names them.
using Placements = std::vector<std::shared_ptr<DeviceMemory>>;
/// So many placements in the host's memory.
Placements host_placements(int count);

struct Event;
struct Recording;

/// A piece of memory to copy.
struct CopyPiece {
  void* to;
  const void* from;
  int64_t bytes;
};

/// What each of some devices has a part of, and gets the sum of.
struct SumPiece {
  DType dtype;
  int64_t count;
  std::vector<const void*> parts;  ///< by device
  std::vector<void*> sums;
};

/// How tensors go from one placement to another.
enum class Transport {
  copies,  ///< within one piece of hardware; between two as the backend does it (CUDA: NCCL)
  nccl,    ///< by NCCL also within one GPU, as between several
};

class Device : public DeviceMemory {
 public:
  /// Makes this thread's calls go to this device: before launches on its queues.
  virtual void activate() = 0;
  virtual Queue* queue(int index) = 0;  ///< made on demand

  virtual void upload(Queue* queue, const CopyPiece& piece) = 0;    ///< `from` is staging memory
  virtual void download(Queue* queue, const CopyPiece& piece) = 0;  ///< `to` is staging memory
  virtual void fill(Queue* queue, void* to, int byte, int64_t bytes) = 0;
  /// Brings pieces from another device, which has them ready: `queue` is one of this device's.
  virtual void receive(Queue* queue, Device& source, std::span<const CopyPiece> pieces) = 0;
  /// Adds up over different pieces of hardware, in the order of their library. `queue` is one of
  /// this device's: all parts are there when it comes here, and all sums when it goes on.
  virtual void sum(Queue* queue, std::span<Device* const> devices,
                   std::span<const SumPiece> pieces) = 0;
  /// Of receive(), to be set before it is first called.
  virtual void set_transport(Transport) {}
  /// A copy between any two devices, on a queue of this one: for a few bytes.
  virtual void copy(Queue* queue, Device& target, Device& source, const CopyPiece& piece) = 0;

  /// After a fault or a missed deadline: nothing is released any more, since that might wait.
  virtual void abandon() noexcept = 0;

  using DeviceMemory::release;
  virtual Event* make_event() = 0;
  virtual void release(Event* event) noexcept = 0;
  virtual void record(Queue* queue, Event* event) = 0;
  virtual void wait(Queue* queue, Event* event) = 0;
  /// Whether all before the event is done. Throws Error(run) when the device has failed.
  virtual bool done(Event* event) = 0;
  /// An event that keeps the time when it was done.
  virtual Event* make_timer() = 0;
  /// Nanoseconds between two timers of this hardware that are done.
  virtual int64_t elapsed(Event* from, Event* to) = 0;

  /// What is enqueued from here on is recorded, on this queue and on those that wait for it.
  virtual void begin_recording(Queue* queue) = 0;
  virtual Recording* end_recording(Queue* queue) = 0;
  virtual void abandon_recording(Queue* queue) noexcept = 0;
  virtual void replay(Queue* queue, Recording* recording) = 0;
  virtual void release(Recording* recording) noexcept = 0;

  /// *stop = 1 when any of the words is not 0, else 0.
  virtual void join_status(Queue* queue, const int64_t* status, int64_t words, int* stop) = 0;
  /// Counts NaN, +inf and -inf in f32 or f64 `values` into counts[0..2].
  virtual void count_not_finite(Queue* queue, DType dtype, const void* values, int64_t count,
                                int64_t* counts) = 0;
};

struct DeviceInfo {
  std::string name;    ///< "cuda:0"
  std::string model;   ///< "NVIDIA H100 80GB HBM3"
  std::string isa;     ///< "sm_90"
  int64_t memory = 0;  ///< bytes
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string kind() const = 0;
  /// Versions of what it links: "CUDA 13.0, cuDNN 9.19, NCCL 2.28.9".
  virtual std::string versions() const = 0;
  /// Throws Error(device, "E0508") when there is no driver or no device.
  virtual std::vector<DeviceInfo> devices() const = 0;
  virtual void register_kernels(Registry& registry) const = 0;
  /// Throws Error(device, "E0502") for a device that is not there.
  virtual std::shared_ptr<Device> open(const std::string& name) = 0;
};

/// The plug-in of a kind of device; it stays loaded. `BRAID_CUDA_LIBRARY` names another file for
/// "cuda". Throws Error(device, "E0507") with the places where it was sought.
std::shared_ptr<Backend> load_backend(const std::string& kind);

}  // namespace braid
