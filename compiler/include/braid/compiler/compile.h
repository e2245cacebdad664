// From a Model to a Plan. The passes are free functions, each in its own file; compile() reads as
// the table of contents of the compilation.
//
//   Diagnostics found;
//   Graph graph = build(model, registry, {.mode = Mode::train}, found);   // what `check` does
//   found.raise();
//   Plan plan = compile(model, registry, {.mode = Mode::train, .batch = 256, .devices = {"cpu"}});
#pragma once
#include <set>
#include <string>
#include <vector>

#include <braid/core/error.h>
#include <braid/core/plan.h>
#include <braid/core/registry.h>

namespace braid {

/// Deliberate faults, for the tests that must catch them.
struct Mutant {
  bool swap_merge = false;  ///< merge(right, left)
  unsigned arrival = 0;     ///< merge in an arbitrary order drawn from this number; 0 = off
};

/// How far a program goes. A step is the forward pass in eval, all of training otherwise.
enum class Goal {
  step,
  forward,  ///< outputs alone; in training mode with the batch's own statistics
  /// Outputs and gradients, for losses and optimizers that are not ours. There is one more input
  /// `grad:<output>` for each wanted output of a floating type, of the output's type, and results
  /// `grad:<input>` for each floating input and `grad:<key>` for each trainable parameter that a
  /// gradient reaches. Gradients of what is common to all replicas are sums over them.
  backward
};

/// How a batch is cut into the slices of R replicas. 5 samples for 4 replicas:
enum class Chunk {
  even,  ///< 2, 1, 1, 1: the first N mod R get one more
  torch  ///< 2, 2, 1, 0: ceil(N / R) each, as torch.chunk cuts; not with accumulate (E0441)
};

struct CompileOptions {
  Mode mode = Mode::train;
  Goal goal = Goal::step;   ///< forward and backward leave out losses, optimizer, micro-batches
  bool write_state = true;  ///< false: running statistics and counters stay as they are
  int64_t batch = 0;        ///< N of this Plan
  int replicas = 0;         ///< 0 = the model's
  std::vector<std::string> devices = {"cpu"};
  DeviceTraits traits = {};
  /// Names of outputs, layers, losses or metrics that are wanted. Empty = in a training step the
  /// losses and metrics, in eval everything the model declares, else its outputs.
  std::vector<std::string> wanted = {};
  int64_t memory = 0;  ///< bytes that the machine has; larger plans are refused. 0 = no limit
  /// Passes: fuse, fuse_add, recompute, bundle, window, reuse, alias.
  std::set<std::string> disabled = {};
  Mutant mutant = {};
  Chunk chunk = Chunk::even;
  std::vector<HookSpec> hooks = {};
  /// Of a network with phases, which one trains, and which did so before it on the same batch: its
  /// statistics move once for all of them. See phases.h.
  int phase = -1;
  std::vector<int> ran = {};
  /// Called after each pass with its name and the milliseconds it took.
  std::function<void(const std::string& pass, double milliseconds)> on_pass = {};
};

/// Layers to operations, with types and layouts; in training also gradients and the optimizer.
/// Errors go to `found`; a layer that failed takes along those that use it, silently.
Graph build(const Model& model, const Registry& registry, const CompileOptions& options,
            Diagnostics& found);

/// The whole compilation. Throws Error(model) for faults of the model, Error(device) for more
/// devices than replicas or unknown ones.
Plan compile(const Model& model, const Registry& registry, const CompileOptions& options);

/// Throws Error(device, "E0502") for what is no device's name: cpu, cpu:1, cuda:0.
void check_device(const std::string& device, const Mark& mark = {});
/// "cuda:0" -> "cuda".
std::string kind_of(const std::string& device);
/// The kind of all of them; throws Error(device, "E0510") where there are two.
std::string kind_of(const std::vector<std::string>& devices, const Mark& mark = {});

/// Names of the passes that may be disabled without changing a result.
const std::vector<std::string>& optional_passes();

/// One row of `braid check`.
struct LayerSummary {
  std::string name, type, file;
  int line = 0;
  Shape shape;  ///< of its first output
  DType dtype = DType::f32;
  int64_t parameters = 0, flops = 0;
};

struct Summary {
  std::string name;
  int64_t parameters = 0, buffers = 0, flops = 0;
  std::vector<LayerSummary> layers;
  std::vector<FreeDim> free = {};  ///< with the sizes that FLOPs are for
  std::vector<StateVar> states;    ///< parameters and buffers, in file order
};

/// Reads nothing, runs nothing: types, shapes, parameters, FLOPs of one sample's forward pass.
/// Errors go to `found`.
Summary check(const Model& model, const Registry& registry, Diagnostics& found);

}  // namespace braid
