// Modules: networks written in C++ the way they are written in PyTorch. A Module describes: calling
// it adds its layers to a Model, and that Model is compiled and run like any other. Its tensors are
// its own, under PyTorch's names.
//
//   struct Block : Module {
//     std::shared_ptr<Conv2d> conv = register_module("conv", std::make_shared<Conv2d>(3, 8, 3));
//     std::shared_ptr<BatchNorm2d> bn =
//         register_module("bn", std::make_shared<SynchronizedBatchNorm2d>(8));
//     Symbol forward(Symbol x) override { return relu((*bn)((*conv)(x))); }
//   };
//
// braid/runtime/data_parallel.h runs one on several devices.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <braid/core/model.h>
#include <braid/runtime/array.h>
#include <braid/runtime/callback_context.h>

namespace braid {

class Tracer;

/// A value of the network that is being described: it has no numbers, only users.
struct Symbol {
  Tracer* tracer = nullptr;
  Link link = {};
};

/// What the seed calls `__data_parallel_replicate__`: a module that also derives from this is
/// called once for each of its copies whenever it was replicated. All hooks of copy 0 come first,
/// then all of copy 1, ...; within a copy, outer modules before inner ones, in the order of
/// registration. The context is the same for all copies of the module, and fresh for each
/// replication. Copies are the compiler's, not objects: what differs between them belongs into the
/// context.
class OnReplicate {
 public:
  virtual ~OnReplicate() = default;
  virtual void on_replicate(CallbackContext& context, int copy_id) = 0;
};

class Module {
 public:
  Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  virtual ~Module();

  /// Describes the module: applies layers and other modules to `x`. The default throws
  /// Error(usage). A module with several inputs overrides the second form.
  virtual Symbol forward(Symbol x);
  virtual std::vector<Symbol> forward(const std::vector<Symbol>& x);
  /// What a parent's forward calls. A second call shares parameters and buffers.
  Symbol operator()(Symbol x);
  std::vector<Symbol> operator()(const std::vector<Symbol>& x);

  /// Names a child; returns it. Throws Error(usage, "E0430") for a name that is taken or holds a
  /// dot, and for a null pointer.
  template <class M>
  std::shared_ptr<M> register_module(std::string name, std::shared_ptr<M> module) {
    add_child(std::move(name), module);
    return module;
  }
  const std::vector<std::pair<std::string, std::shared_ptr<Module>>>& children() const {
    return children_;
  }
  /// Of the class, for messages and to tell modules apart: "Conv2d", or the C++ name.
  virtual std::string type() const;

  /// In eval mode batch norm uses its running statistics and dropout does nothing. Both reach
  /// into all children.
  Module& train(bool on = true);
  Module& eval() { return train(false); }
  bool is_training() const { return training_; }
  /// false: no optimizer may touch the parameters (they get no gradient). Reaches into children.
  Module& requires_grad(bool on);
  bool requires_grad() const { return requires_grad_; }

  /// Parameters and buffers of this module and all below it: "conv.weight", "bn.running_mean", ...
  /// Those whose shape follows from the input are there after the first run.
  std::map<std::string, Array> state_dict() const;
  /// Overwrites the tensors that are named; throws Error(data, "E0431") listing names that no
  /// module can have. Shapes are checked when the network runs.
  void load_state_dict(const std::map<std::string, Array>& tensors);
  /// One tensor of this module: throws Error(usage, "E0432") when there is none of that name.
  Array& tensor(const std::string& name);

 protected:
  std::map<std::string, Array> tensors_;

 private:
  friend class Tracer;
  void add_child(std::string name, std::shared_ptr<Module> module);
  std::vector<std::pair<std::string, std::shared_ptr<Module>>> children_;
  bool training_ = true, requires_grad_ = true;
};

/// A module and everything below it in the order of the replication callbacks: outer before inner,
/// each object once; with its path ("" = the root).
std::vector<std::pair<std::string, Module*>> modules_of(Module& root);

/// Any layer of the registry by its type and PyTorch's parameters: Layer("MaxPool2d",
/// {{"kernel_size", 2}}).
class Layer : public Module {
 public:
  explicit Layer(std::string type, Dict params = {});
  using Module::forward;
  std::vector<Symbol> forward(const std::vector<Symbol>& x) override;
  /// The registry's name, or that of a class that is derived from this.
  std::string type() const override;
  const Dict& params() const { return params_; }

 protected:
  friend class Tracer;
  std::string type_;
  Dict params_;
  std::optional<int> sync_ = {};
  bool freeze_stats_ = false;
};

/// Modules one after the other; named "0", "1", ...
class Sequential : public Module {
 public:
  Sequential() = default;
  explicit Sequential(const std::vector<std::shared_ptr<Module>>& modules);
  using Module::forward;
  Symbol forward(Symbol x) override;
  std::string type() const override { return "Sequential"; }
};

struct Linear : Layer {
  Linear(int64_t in_features, int64_t out_features, bool bias = true);
};
struct Conv2d : Layer {
  /// `more`: stride, padding, dilation, groups, bias.
  Conv2d(int64_t in_channels, int64_t out_channels, int64_t kernel_size, Dict more = {});
};
struct ReLU : Layer {
  ReLU() : Layer("ReLU") {}
};
struct Flatten : Layer {
  Flatten() : Layer("Flatten") {}
};

struct BatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< nothing = cumulative mean of all batches
  bool affine = true;
  bool track_running_stats = true;
  bool clamp = false;  ///< eps_mode: 1/sqrt(max(var, eps)), as the seed does, instead of plus
};

/// Batch norm over the C channels of (N, C), (N, C, L), (N, C, H, W) or (N, C, D, H, W). The plain
/// classes normalize each replica's slice by itself; the synchronized ones all slices together.
/// Both keep the running statistics of the whole batch.
class BatchNorm : public Layer {
 public:
  bool synchronized() const { return synchronized_; }
  void set_synchronized(bool on) { synchronized_ = on; }
  /// Normalize by the running statistics in training too, and keep them as they are.
  void freeze_stats(bool on = true) { freeze_stats_ = on; }
  /// What decides its part of a Model, for caches.
  std::string description() const;
  std::string type() const override { return (synchronized_ ? "Synchronized" : "") + type_; }

 protected:
  BatchNorm(int dimensions, int64_t num_features, const BatchNormOptions& options,
            bool synchronized);

 private:
  bool synchronized_;
};
struct BatchNorm1d : BatchNorm {
  explicit BatchNorm1d(int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm(1, num_features, options, false) {}
};
struct BatchNorm2d : BatchNorm {
  explicit BatchNorm2d(int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm(2, num_features, options, false) {}
};
struct BatchNorm3d : BatchNorm {
  explicit BatchNorm3d(int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm(3, num_features, options, false) {}
};
struct SynchronizedBatchNorm1d : BatchNorm {
  explicit SynchronizedBatchNorm1d(int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm(1, num_features, options, true) {}
};
struct SynchronizedBatchNorm2d : BatchNorm {
  explicit SynchronizedBatchNorm2d(int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm(2, num_features, options, true) {}
};
struct SynchronizedBatchNorm3d : BatchNorm {
  explicit SynchronizedBatchNorm3d(int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm(3, num_features, options, true) {}
};

/// Makes every batch norm of the tree synchronized; returns the paths of those that were not.
/// Tensors, training flag, frozen state and counters stay where they are: only the flag moves.
std::vector<std::string> convert_sync_batchnorm(Module& root);
/// The inverse: every batch norm normalizes by itself. With the paths that a conversion returned,
/// just those, so that a round trip is the identity.
std::vector<std::string> revert_sync_batchnorm(Module& root);
std::vector<std::string> revert_sync_batchnorm(Module& root,
                                               const std::vector<std::string>& converted);

/// A layer without a module of its own, inside a forward.
Symbol apply(const std::string& type, const std::vector<Symbol>& x, Dict params = {});
inline Symbol relu(Symbol x) { return apply("ReLU", {x}); }
inline Symbol flatten(Symbol x) { return apply("Flatten", {x}); }
inline Symbol cat(const std::vector<Symbol>& x, int64_t dim) {
  return apply("Concat", x, {{"dim", dim}});
}
inline Symbol operator+(Symbol a, Symbol b) { return apply("Add", {a, b}); }

/// The Model that a module describes for inputs of these types: paths begin with "module", as
/// PyTorch's DataParallel names them; inputs are called "input0", ..., outputs "output0", ...
/// `synchronize` false leaves synchronized batch norms to themselves (no callback told them of each
/// other).
Model trace(Module& root, const std::vector<Type>& inputs, bool synchronize = true);

}  // namespace braid
