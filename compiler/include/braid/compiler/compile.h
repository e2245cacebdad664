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

struct CompileOptions {
  Mode mode = Mode::train;
  int64_t batch = 0;  ///< N of this Plan
  int replicas = 0;   ///< 0 = the model's
  std::vector<std::string> devices = {"cpu"};
  DeviceTraits traits = {};
  /// In eval and forward: names of outputs, layers, losses or metrics that are wanted. Empty = in
  /// training the losses and metrics, in eval everything the model declares.
  std::vector<std::string> wanted = {};
  int64_t memory = 0;  ///< bytes that the machine has; larger plans are refused. 0 = no limit
  std::set<std::string> disabled = {};  ///< passes: fuse, formats, window, reuse, alias
  Mutant mutant = {};
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

/// Names of the passes that may be disabled without changing a result.
const std::vector<std::string>& optional_passes();

/// One row of `braid check`.
struct LayerSummary {
  std::string name, type, file;
  int line = 0;
  Shape shape;
  int64_t parameters = 0, flops = 0;
};

struct Summary {
  std::string name;
  int64_t parameters = 0, buffers = 0, flops = 0;
  std::vector<LayerSummary> layers;
  std::vector<StateVar> states;  ///< parameters and buffers, in file order
};

/// Reads nothing, runs nothing: types, shapes, parameters, FLOPs of one sample's forward pass.
/// Errors go to `found`.
Summary check(const Model& model, const Registry& registry, Diagnostics& found);

}  // namespace braid
