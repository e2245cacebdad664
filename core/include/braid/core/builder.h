// Builder: the only door into a Graph. It infers type, layout and "needs a gradient" as a node
// enters, so that an error has the Mark of the layer that caused it. Layers see nothing else of the
// compiler.
//
//   int y = b.one("matmul", {x, w}, {{"transpose_b", true}});
//   if (b.needs_gradient(w)) b.add_gradient(w, dw);
#pragma once
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <braid/core/error.h>
#include <braid/core/graph.h>

namespace braid {

class Registry;

enum class Mode { train, eval };

class Builder {
 public:
  Builder(Graph& graph, const Registry& registry, Mode mode);

  // ---- for layers -------------------------------------------------------------------------------
  /// Adds an operation; returns its results. With `group` the inputs that are partial are merged
  /// over groups of that many replicas instead of all (0 = all).
  std::vector<int> add(std::string_view op, std::vector<int> in, Dict attrs = {}, int group = 0);
  /// The same for operations with one result.
  int one(std::string_view op, std::vector<int> in, Dict attrs = {}, int group = 0);

  /// An operation that no registry knows: the compiler's own.
  std::vector<int> add(const OpDef& op, std::vector<int> in, Dict attrs = {}, int group = 0);

  /// A trainable variable of the current call, key `<owner>.<name>`. The item's `init` wins over
  /// `init`. A shared layer finds its owner's. Frozen layers' parameters need no gradient, and what
  /// the item calls constant is a buffer.
  int param(const std::string& name, Shape shape, Init init);
  /// A variable that no optimizer touches.
  int buffer(const std::string& name, Type type, Init init);
  /// Optimizer state of a weight, key `optimizer.<key of weight>.<name>`.
  int optimizer_state(int weight, const std::string& name, Type type, Init init);

  /// A copy: values move as operations are added, and a reference would dangle.
  Type type(int value) const { return graph_.values[value].type; }
  bool needs_gradient(int value) const { return value >= 0 && graph_.values[value].needs_gradient; }
  /// `gradient` is one contribution to the gradient of `value`; -1 and values that need none are
  /// ignored.
  void add_gradient(int value, int gradient);
  Mode mode() const { return mode_; }
  bool training() const { return mode_ == Mode::train; }

  /// f64 [2] (sum, count) from two f64 [1]: what losses and metrics return. Both are merged over
  /// all replicas. The count must come from targets, masks and shapes only, never from logits.
  int batch_mean(int sum, int count);

  /// Throws a model error at the current call: "<path>: <message>".
  [[noreturn]] void fail(std::string code, std::string message, std::string help = {}) const;

  // ---- for the compiler -------------------------------------------------------------------------
  Graph& graph() { return graph_; }
  const Graph& graph() const { return graph_; }
  const Registry& registry() const { return registry_; }
  void enter(int call);  ///< following nodes belong to this call
  void label(std::string text) { label_ = std::move(text); }
  /// Told of every parameter as it enters, to change how it begins and whether it is trained.
  using ParameterRule = std::function<void(const Call&, const std::string& name, StateVar&)>;
  void on_parameter(ParameterRule rule) { on_parameter_ = std::move(rule); }
  void backward(bool on) { backward_ = on; }
  /// Parameters that `trains` is false for need no gradient, as if they were frozen.
  void train_only(std::function<bool(const std::string& key)> trains) {
    trains_ = std::move(trains);
  }
  /// The parameter `key` is the variable `to`.
  void tie(const std::string& key, const std::string& to) { ties_[key] = {to}; }
  /// Whether a layer has asked for the parameter that is tied.
  bool has_tied(const std::string& key) const { return ties_.at(key).used; }
  bool has_state(const std::string& key) const { return state_by_key_.contains(key); }
  int input(int index, int micro);
  /// The sum of all contributions, added in the order they came; -1 when there are none.
  int gradient_of(int value);
  /// What add_gradient() was given for `value` so far.
  std::vector<int> contributions(int value) const;

 private:
  int state(StateVar var);
  void singular_vectors(const Shape& weight);
  Layout infer_layout(const Node& node, const Type& type) const;

  Graph& graph_;
  const Registry& registry_;
  Mode mode_;
  int call_ = -1;
  std::string label_;
  bool backward_ = false;
  ParameterRule on_parameter_;
  std::map<std::string, int> state_by_key_;
  struct Tie {
    std::string to;
    bool used = false;
  };
  std::map<std::string, Tie> ties_;
  std::function<bool(const std::string& key)> trains_;
  std::map<int, std::vector<int>> gradients_;
};

}  // namespace braid
