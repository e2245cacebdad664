// Graph: the logical program: one node per operation, before replication. Nodes and values stand in
// plain vectors and are addressed by index. Types, layouts and "needs a gradient" are inferred as a
// node enters (see builder.h).
//
// A Layout says how a value is spread over the replicas:
//   split           each replica has its slice of the batch (the shape has N)
//   copy(group)     all replicas of a group have the same value
//   partial(merge)  each replica has a part; merging the parts gives the value
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <braid/core/hook.h>
#include <braid/core/kernel.h>
#include <braid/core/model.h>
#include <braid/core/op.h>

namespace braid {

struct LayerDef;
struct Ports;

struct Layout {
  enum class Kind : uint8_t { split, copy, partial } kind = Kind::split;
  int group = 0;           ///< of copies: replicas per group, 0 = all
  std::string merge = {};  ///< of partials

  static Layout split() { return {}; }
  static Layout copy(int group = 0) { return {Kind::copy, group}; }
  static Layout partial(std::string merge) { return {Kind::partial, 0, std::move(merge)}; }
  bool operator==(const Layout&) const = default;
};
std::string to_string(const Layout& layout);

struct Value {
  Type type;
  Layout layout = {};
  int node = -1;   ///< producer, or -1 for inputs and state
  int input = -1;  ///< index into Graph::inputs, or -1
  int state = -1;  ///< index into Graph::states, or -1
  bool needs_gradient = false;
  int micro = -1;  ///< micro-batch it belongs to; -1 = common to all
  int again = -1;  ///< the value of the forward pass that this one computes again, or -1
  Format format = {};
};

struct Node {
  const OpDef* op = nullptr;
  Dict attrs = {};
  std::vector<int> in = {}, out = {};
  std::vector<Layout> wants = {};  ///< one for each input
  std::vector<int> after = {};     ///< values that must be there first, though it reads none
  int call = -1;                   ///< the layer it came from
  std::string label = {};  ///< "bn1", or a weight's key for the optimizer: names it to users
  bool backward = false;
  int micro = -1;
};

/// How a variable begins. PyTorch's laws come down to the first three.
struct Init {
  enum class Law : uint8_t { constant, uniform, normal, gaussian, file } law = Law::constant;
  double a = 0, b = 0;  ///< the constant; the bounds; mean and standard deviation; sigma
  std::vector<int64_t> kernel = {};  ///< sizes of a Gaussian kernel, the innermost dimensions
  std::string path = {};             ///< of a file: an .npy array, which the runtime reads

  static Init constant(double v) { return {Law::constant, v}; }
  static Init uniform(double lo, double hi) { return {Law::uniform, lo, hi}; }
  static Init normal(double mean, double std) { return {Law::normal, mean, std}; }
  /// Bells that add up to 1 over each kernel.
  static Init gaussian(double sigma, std::vector<int64_t> kernel) {
    return {Law::gaussian, sigma, 0, std::move(kernel)};
  }
  static Init file(std::string path) { return {Law::file, 0, 0, {}, std::move(path)}; }
};

/// A variable of State: it lives outside every Plan.
struct StateVar {
  enum class Kind : uint8_t { parameter, buffer, optimizer } kind = Kind::parameter;
  std::string key;  ///< PyTorch's name: "layer1.0.conv1.weight"
  Type type;
  Init init = {};
  bool trainable = false;
  int call = -1;
};

/// One use of a layer. `share`d layers are two Calls with one set of variables.
struct Call {
  const LayerDef* def = nullptr;
  std::string path;   ///< the item's own path: names it in messages
  std::string owner;  ///< path whose variables it uses (the same, unless shared)
  Dict params = {};   ///< checked, defaults filled in
  std::vector<int> in = {}, out = {};
  std::shared_ptr<const Ports> ports = {};  ///< its own, from `LayerDef::ports` or forward
  std::vector<int> handed = {};  ///< what users of its outputs get: `out`, unless a hook wrote
  std::map<std::string, int> saved = {};  ///< values that forward keeps for gradient
  int group = 0;                          ///< `sync`: replicas per group, 0 = all
  Freeze freeze = Freeze::none;
  Dict init = {}, constant = {};  ///< of the item
  int item = -1;                  ///< index into Model::layers; -1 for losses, metrics
  int micro = 0;
  bool settled = false;  ///< writes no statistics: an earlier phase did
  bool spectral_norm = false;
  int segment = -1;  ///< calls of one segment are computed again together; -1 = values are kept
  Mark mark = {};
};

/// A value that the host reads after the step.
struct Result {
  std::string name;  ///< "loss", "accuracy", an output's name, "grad:<input or parameter>"
  enum class Kind : uint8_t { output, loss, metric, gradient } kind = Kind::output;
  int value = -1;
  double factor = 1;  ///< of losses
};

struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<StateVar> states;
  std::vector<int> state_values;  ///< state -> its value
  std::vector<InputDecl> inputs;
  std::vector<Call> calls;
  std::vector<Result> results;
  std::vector<HookPoint> hook_points;  ///< a hook's node names its index as attribute `hook`
  int micros = 1;
};

}  // namespace braid
