// DataParallel and its callbacks: the API of Synchronized-BatchNorm-PyTorch, on Braid's replicas.
//
//   auto bn = std::make_shared<SynchronizedBatchNorm1d>(10, BatchNormOptions{.affine = false});
//   DataParallelWithCallback parallel(bn, {0, 1});
//   Array y = parallel.forward(x);                  // slices of x on cpu:0 and cpu:1
//   DataParallel::Gradients g = parallel.backward(dy);   // g.inputs[0], g.parameters["weight"]
//
// Below it the same Model, Plan and Executor run as for a YAML file, one replica for each id.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <braid/runtime/modules.h>
#include <braid/runtime/session.h>

namespace braid {

struct DataParallelOptions {
  std::string device = "cpu";  ///< what an id stands for: "cpu" makes id 2 the device cpu:2
  Chunk chunk = Chunk::even;   ///< how dimension 0 is cut: see compile.h
  uint64_t seed = 0;           ///< of initial weights and of dropout
  std::string engine = "tbb";
  int threads = 0;
  /// Of the device's kind; none = loaded when the device asks for it.
  std::shared_ptr<Backend> backend = {};
  Hooks hooks = {};  ///< by the paths "module", "module.conv1", ..., or by type; see hooks.h
};

/// Cuts every input along dimension 0, one slice for each device id, runs the module on all of them
/// and joins the outputs. In training mode gradients and running statistics are those of the whole
/// batch. It calls nobody back: synchronized batch norms do not learn of each other, and each
/// normalizes its own slice.
class DataParallel : public Module {
 public:
  /// One replica for each id, in this order, whatever the order of the ids; an id may stand twice.
  /// Throws Error(device, "E0438") for no ids or a negative one, Error(device, "E0502") for
  /// what is no device; one that this build or machine lacks is found by the first forward.
  DataParallel(std::shared_ptr<Module> module, std::vector<int> device_ids,
               DataParallelOptions options = {});
  ~DataParallel() override;

  /// Runs the module, in training or eval mode as `is_training()` says. Arrays are [N, ...], N the
  /// same for all. Throws Error(data) for arrays that do not fit, Error(model) for a network that
  /// does not.
  Array forward(const Array& x);
  std::vector<Array> forward(const std::vector<Array>& x);

  struct Gradients {
    std::vector<Array> inputs = {};                ///< of floating inputs, in their order
    std::map<std::string, Array> parameters = {};  ///< by the module's own names: "conv1.weight"
  };
  /// Gradients of sum(dy * output) with respect to inputs and parameters, for the inputs of the
  /// last forward: sums over all samples, as autograd gives them. Running statistics are not
  /// touched. Throws Error(usage, "E0439") when there was no forward in training mode.
  Gradients backward(const Array& dy);
  Gradients backward(const std::vector<Array>& dy);

  /// Inside another module's forward: the module itself.
  Symbol forward(Symbol x) override;
  std::vector<Symbol> forward(const std::vector<Symbol>& x) override;
  std::string type() const override { return "DataParallel"; }

  Module& module() const;
  const std::vector<int>& device_ids() const;
  /// Whether replication callbacks are called, and so batch norms synchronized.
  bool calls_back() const;
  /// The plan of the last forward; for `inspect` and pictures. Throws E0439 before the first.
  const Plan& plan() const;

 private:
  friend void patch_replication_callback(Module& data_parallel);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// DataParallel that replicates with callbacks: at every forward each module that is an
/// OnReplicate, and each on_replicate hook of the options, is called for every replica: all of
/// replica 0 first, with fresh contexts. Synchronized batch norms normalize over all replicas. A
/// single id works like any other number of them.
class DataParallelWithCallback : public DataParallel {
 public:
  DataParallelWithCallback(std::shared_ptr<Module> module, std::vector<int> device_ids,
                           DataParallelOptions options = {});
  std::string type() const override { return "DataParallelWithCallback"; }
};

/// Makes a DataParallel call back like DataParallelWithCallback. Twice is the same as once. Throws
/// Error(usage, "E0437") for any other module.
void patch_replication_callback(Module& data_parallel);

/// Calls on_replicate of every module that has it, for copies of a module that somebody made:
/// `modules[i]` is copy i. All of copy 0 first; one context for each position, shared by the
/// copies; returns the contexts in the order of modules_of. Throws Error(usage): "E0435" for an
/// empty list or a null pointer, "E0436" for copies that are not alike, naming the first place
/// where they differ; Error(run, "E0426") naming module and copy when a hook throws: later ones are
/// not called.
std::vector<std::shared_ptr<CallbackContext>> execute_replication_callbacks(
    const std::vector<Module*>& modules);

}  // namespace braid
