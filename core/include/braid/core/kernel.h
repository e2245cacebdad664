// Kernels: code that computes an operation on one kind of device. A kernel is asked for an Offer
// for concrete shapes; the offer says which memory formats it wants, what workspace it needs and
// which implementation it is. The Plan records that id, and the executor binds the same or refuses.
//
//   registry.add(plain_kernel("relu", "cpu", [](const Signature& s) -> KernelBody {
//     int64_t n = s.in[0].elements();
//     return [n](const KernelArgs& a) {
//       auto x = a.in<float>(0);
//       auto y = a.out<float>(0);
//       for (int64_t i = 0; i < n; ++i) y[i] = x[i] > 0 ? x[i] : 0;
//     };
//   }));
//
// Rules: a body is a pure function of its arguments (same bits on every call, thread and address);
// it starts no threads, takes no locks, allocates nothing, and keeps no state between calls; it is
// called from several threads at once, each time with other arguments. It may throw braid::Error to
// fail the step, unless its operation writes state.
#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <braid/core/attr.h>
#include <braid/core/format.h>
#include <braid/core/type.h>

namespace braid {

/// A concrete tensor of one slice: dtype, sizes, memory format. In the question put to a kernel,
/// the formats of inputs are those the values have at present, the formats of outputs are "".
struct Operand {
  DType dtype = DType::f32;
  std::vector<int64_t> dims = {};
  Format format = {};

  int64_t dim(size_t i) const { return dims[i]; }
  int64_t elements() const { return storage_elements(dims, {}); }
  /// Elements in memory, padding of blocked formats included: what an elementwise kernel that maps
  /// zero to zero may simply run over.
  int64_t storage() const { return storage_elements(dims, format); }
  int64_t bytes() const { return storage() * int64_t(size_of(dtype)); }
};

struct Signature {
  std::string op;
  Dict attrs = {};
  std::vector<Operand> in = {}, out = {};
};

/// What decides which kernels exist. A value: plans can be made for machines that are not here.
struct DeviceTraits {
  std::string kind = "cpu";  ///< "cpu"; "cuda"; "reference" computes everything in f64
  std::string isa = {};      ///< "sse4", "avx2", "avx512"; "sm_90"
  bool operator==(const DeviceTraits&) const = default;
};

/// Per-step scalars. They live in memory that kernels read, never in closures.
struct Scalars {
  double lr = 0;
  int64_t step = 0;  ///< optimizer steps done before this one, since the start of the run
  uint64_t seed = 0;
  int64_t every = 1;  ///< of a phase that runs once in so many steps

  /// Updates that the optimizer has done before this one.
  constexpr int64_t updates() const { return (step + every - 1) / every; }
};

struct KernelArgs {
  void* const* inputs = nullptr;
  void* const* outputs = nullptr;
  void* workspace = nullptr;  ///< 64-byte aligned, Offer::workspace bytes, contents undefined
  const Scalars* scalars = nullptr;
  int64_t first_sample = 0;  ///< row of the slice's first sample in the global batch

  /// Inputs that the operation `writes` may be written through the non-const form.
  template <class T>
  T* in(int i) const {
    return static_cast<T*>(inputs[i]);
  }
  template <class T>
  T* out(int i) const {
    return static_cast<T*>(outputs[i]);
  }
};

using KernelBody = std::function<void(const KernelArgs&)>;

/// A queue of a device whose work is enqueued: a CUDA stream. Its backend knows what it is.
struct Queue;

/// One launch: the same operation for one slice or, ganged, for several. All pointers, those to
/// scalars too, are to the device's memory, and they are the same in every step: what is enqueued
/// may be recorded once and replayed.
struct LaunchArgs {
  Queue* queue = nullptr;
  std::span<const KernelArgs> parts = {};  ///< their `workspace` is null
  void* workspace = nullptr;               ///< 256-byte aligned, Launch::workspace bytes
  int64_t* status = nullptr;  ///< a word for each part, 0 before; not 0 = the step has failed
  const int* stop = nullptr;  ///< operations that write State do nothing where it is not 0
};

/// A body that enqueues and returns; it blocks for nothing and runs on one thread at a time for
/// each queue. What it makes of a part may not depend on the other parts.
struct Launch {
  std::function<void(const LaunchArgs&)> enqueue = {};
  int64_t workspace = 0;  ///< bytes
};

struct Offer {
  std::string impl;                                       ///< e.g. "jit:avx512_core", "braid:relu"
  std::vector<Format> in_formats = {}, out_formats = {};  ///< one for each operand
  int64_t workspace = 0;                                  ///< bytes
  int alias = -1;  ///< input whose memory output 0 may take over (same bytes, read before written)
  std::function<KernelBody()> bind = {};  ///< makes the body; thread-safe
  /// Of devices with queues, instead of `bind`: the signatures of one launch's parts, which differ
  /// in the size of their slices only.
  std::function<Launch(std::span<const Signature> parts)> launch = {};
  bool gang = false;  ///< one launch may serve the slices of several replicas
};

struct Kernel {
  std::string op;
  std::string device;  ///< a device kind
  /// The formats in the question are what the inputs have. A kernel that wants others says so in
  /// its offer and the compiler inserts copies. Asked again with its own formats it must accept.
  std::function<std::optional<Offer>(const Signature&, const DeviceTraits&)> offer;
};

using KernelMaker = std::function<KernelBody(const Signature&)>;

/// A kernel for plain formats only.
Kernel plain_kernel(std::string op, std::string device, KernelMaker make);

/// A kernel that runs over memory in whatever format the first input has; operands of other sizes
/// are plain. With `keeps_zero` false, formats with padding are refused (plain is asked for).
/// `alias` as in Offer.
Kernel elementwise_kernel(std::string op, std::string device, KernelMaker make,
                          bool keeps_zero = true, int alias = -1);

}  // namespace braid
