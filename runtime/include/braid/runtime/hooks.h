// Hooks: your own code at well-defined points of a run.
//
//   Hooks hooks;
//   hooks.bind("greet", [](CallbackContext& ctx, int copy_id) { ... });   // `on_replicate: greet`
//   hooks.bind("relu", [](const HookVisit& v) {                           // a Callback with ports
//     std::ranges::transform(v["x"].f32(), v["y"].edit().begin(), [](float x) { ... });
//   });
//   hooks.on_forward(at("layer1.*"), [](const HookVisit& v) { v.values().f32(); });
//   hooks.on_stats(of_type("BatchNorm2d"), [](const HookVisit& v) { v.mean(); });
//   Session session = Session::open("net.yaml", {.hooks = hooks});
//
// The contract of all hooks:
// * They are polite by construction. A hook only reads, unless it was bound with `mutates`; binding
//   one that reads changes no bit of any result, and neither the program hash.
// * on_forward, on_backward, on_stats and on_step are steps of the plan. They run on whichever
//   thread of the pool has that step, several replicas at once: what they share they guard, or keep
//   in the layer's CallbackContext. What a visit shows is valid until the hook returns: copy what
//   you keep. A hook must not wait for another hook, nor call into the session; one that needs all
//   replicas is bound with `joined`, which is one call with all slices.
//   On devices with queues (CUDA) the step's values come to the host first, and the hook runs on
//   the thread that watches for them; the launches behind it wait.
// * What a Callback with ports calls makes its outputs, as any layer does: it is part of the
//   program and called where somebody needs them. Its tensors have the sizes that the plan gave
//   them; outputs begin as zeros. The same inputs must give the same bits: it may be called on any
//   thread, for any slice of the batch, and once more for a second phase.
// * on_replicate runs on the calling thread, one hook at a time.
// * A hook that throws ends the step on all replicas, before anything is written to State. The
//   error names hook, layer, replica and line. Nothing hangs, and the next step may follow.
// * One that has not returned when SessionOptions::deadline is over ends the run (E0428). That
// session
//   refuses all further runs, others go on; nobody waits for the hook, and all that it may still
//   touch of the session is kept until the process ends. What it holds of yours has to live as
//   long.
// * One that calls into its own session is told so by an exception (E0429), which ends the step
//   unless it is caught.
// * Replicas whose slice is empty are not visited.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <braid/compiler/positions.h>
#include <braid/core/builder.h>
#include <braid/runtime/callback_context.h>

namespace braid {

struct Array;

/// A tensor that a hook is shown: plain, row-major, one replica's slice.
struct HookTensor {
  std::string name;  ///< the layer's port, "moments", or a loss's or metric's name
  DType dtype = DType::f32;
  std::vector<int64_t> dims = {};
  std::span<const std::byte> bytes = {};
  std::byte* writable = nullptr;  ///< null for hooks that only read

  int64_t elements() const;
  /// The elements; throw Error(usage) for another dtype. The reference engine computes in f64.
  std::span<const float> f32() const;
  std::span<const double> f64() const;
  std::span<const int64_t> i64() const;
  /// The same memory, to be written by a hook that was bound with `mutates`, or as what a Callback
  /// with ports makes; throws Error(usage) for others.
  std::span<float> edit() const;
  std::span<double> edit_f64() const;
  std::span<int64_t> edit_i64() const;
  /// Writes a whole array. Throws Error(usage, "E0427") where its dtype or sizes are not these.
  void assign(const Array& array) const;
};

/// What a hook is shown of one replica.
struct HookSlice {
  int replica = 0;
  int64_t first_sample = 0;             ///< row of the slice's first sample in the global batch
  std::vector<HookTensor> values = {};  ///< outputs, gradients of outputs, moments
  /// With HookOptions::inputs; of a Callback with ports its inputs. Its `backward` is shown inputs,
  /// outputs and gradients of outputs ("grad:y"), and makes those of inputs ("grad:x").
  std::vector<HookTensor> inputs = {};
};

struct HookVisit {
  HookKind kind = HookKind::forward;
  std::string_view layer, type;  ///< path and type of the layer; "" for on_step
  Mark mark = {};                ///< where the layer stands
  Mode mode = Mode::train;
  int64_t step = 0;  ///< optimizer steps done before this one
  double lr = 0;
  int micro = 0;       ///< micro-batch
  int replicas = 1;    ///< of the program
  std::string device;  ///< where this step runs
  /// Shared by all replicas of the layer; null for on_step, and where nobody was called back: in a
  /// plain DataParallel, and in a Session whose option `replicate` is off.
  CallbackContext* context = nullptr;
  /// One; with `joined` one for each replica that has samples, in their order.
  std::vector<HookSlice> slices = {};
  /// on_step: losses and metrics by name, as users see them, over all replicas and micro-batches.
  std::map<std::string, double> results = {};

  int replica() const { return slices.front().replica; }
  /// The only or first tensor of the first slice.
  const HookTensor& values(size_t i = 0) const { return slices.front().values.at(i); }
  const HookTensor& inputs(size_t i = 0) const { return slices.front().inputs.at(i); }

  /// A tensor of the first slice by name; throws Error(usage) naming the nearest.
  const HookTensor& operator[](std::string_view name) const;

  // on_stats: a batch norm's merged moments, [C] each. M2 = sum of (x - mean)².
  std::span<const double> count() const { return moments(0); }
  std::span<const double> mean() const { return moments(1); }
  std::span<const double> m2() const { return moments(2); }
  /// on_step: a loss or metric by name; NaN where there is none of that name.
  double result(const std::string& name) const;

 private:
  std::span<const double> moments(size_t row) const;
};

struct HookOptions {
  bool joined = false;    ///< one call with the slices of all replicas, on the first device
  bool mutates = false;   ///< on_forward, on_backward: what it writes goes on in their place
  bool inputs = false;    ///< show the layer's inputs (on_backward: their gradients) besides
  std::string name = {};  ///< names it in errors and plans; default: where it was bound
};

/// Which layers a hook is for, and where that was said.
struct HookPlace {
  std::string layer = {}, type = {};
  Mark mark = {};
};
/// Layers by path; `*` stands for any characters, dots included.
HookPlace at(std::string layer, const char* file = __builtin_FILE(), int line = __builtin_LINE());
/// Layers by type: "BatchNorm2d", "BatchNorm*"; for on_replicate also "Sequential" or a block.
HookPlace of_type(std::string type, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE());

/// A value: what is bound is copied into each Session that gets it.
class Hooks {
 public:
  using Replicate = std::function<void(CallbackContext&, int copy_id)>;
  using Visit = std::function<void(const HookVisit&)>;

  /// Answers `on_replicate: name` of a file. A name that is bound twice keeps the later function.
  Hooks& bind(std::string name, Replicate hook, const char* file = __builtin_FILE(),
              int line = __builtin_LINE());
  /// Answers a layer `{type: Callback, call: name}`: it sees the layer's input, as on_forward does.
  /// With `ports` it makes the layer's outputs; `backward: name` is answered in the same way.
  Hooks& bind(std::string name, Visit hook, const char* file = __builtin_FILE(),
              int line = __builtin_LINE());
  /// Called once for each replica of each layer or container that matches, when the replicas were
  /// made: all hooks of replica 0, then of replica 1, ...; within one in the order of positions().
  /// Runs on the thread that opens the Session or calls DataParallelWithCallback.
  Hooks& on_replicate(HookPlace where, Replicate hook, std::string name = {});
  /// Sees a layer's outputs as soon as they are there, in training and in eval.
  Hooks& on_forward(HookPlace where, Visit hook, HookOptions options = {});
  /// Sees the gradients of a layer's outputs (values) and of its inputs; not called where none
  /// flows, nor for a layer that hands on its input (Identity): its result is no value of its own.
  /// One that mutates is called before the layer's own gradient is worked out.
  Hooks& on_backward(HookPlace where, Visit hook, HookOptions options = {});
  /// Sees a batch norm's moments, merged over all replicas (or its sync group: one call for each,
  /// `replica()` being its first). Training only, and not where statistics are frozen.
  Hooks& on_stats(HookPlace where, Visit hook, HookOptions options = {});
  /// Sees losses and metrics of a training step before anything is written: one that throws undoes
  /// the step.
  Hooks& on_step(Visit hook, std::string name = {}, const char* file = __builtin_FILE(),
                 int line = __builtin_LINE());

  /// Adds all hooks of `other` behind these; `append_steps` leaves out on_replicate.
  Hooks& append(const Hooks& other);
  Hooks& append_steps(const Hooks& other);
  /// Those for which `keep` is true.
  Hooks only(const std::function<bool(const HookSpec&)>& keep) const;
  bool empty() const { return specs_.empty(); }
  const std::vector<HookSpec>& specs() const { return specs_; }
  /// What the spec of this index calls.
  void visit(int spec, const HookVisit& visit) const { visits_[size_t(spec)](visit); }
  void replicate(int spec, CallbackContext& context, int copy_id) const {
    replicates_[size_t(spec)](context, copy_id);
  }

 private:
  Hooks& add(HookSpec spec, Replicate replicate, Visit visit);
  Hooks& add(HookKind kind, HookPlace where, Visit hook, HookOptions options);
  std::vector<HookSpec> specs_;
  std::vector<Replicate> replicates_;
  std::vector<Visit> visits_;
};

/// Hooks with the contexts of one replication: what a plan's steps call.
struct HookTable {
  Hooks hooks;
  std::vector<std::shared_ptr<CallbackContext>> contexts = {};  ///< by position
  /// What users see of a loss's or metric's totals.
  std::function<double(const std::string& name, const std::vector<double>& totals)> finish = {};
};

/// Calls the on_replicate hooks of all replicas and returns the contexts, one for each position of
/// positions(model). Throws Error(run, "E0426") naming hook, layer and replica when one throws.
std::vector<std::shared_ptr<CallbackContext>> replicate(const Model& model, const Hooks& hooks,
                                                        int replicas);

}  // namespace braid
