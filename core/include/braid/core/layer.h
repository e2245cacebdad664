// LayerDef: what users type. A plain struct that reads like a form: a name, its parameters and
// ports, and two functions that add operations: forward and gradient. The same form serves losses,
// metrics and optimizers.
//
//   registry.add(LayerDef{
//       .name = "ReLU",
//       .doc = "max(x, 0), elementwise.",
//       .inputs = {{"input"}},
//       .forward = [](Builder& b, Call& c) {
//         auto y = b.add("relu", c.in);
//         c.saved["y"] = y[0];
//         return y;
//       },
//       .gradient = [](Builder& b, const Call& c, const std::vector<int>& g) {
//         return b.add("relu_grad", {g[0], c.saved.at("y")});
//       },
//       .samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}}}}});
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <braid/core/builder.h>

namespace braid {

enum class Role { layer, loss, metric, optimizer };

enum class ParamKind {
  boolean,
  integer,
  number,  ///< an integer or a float; kept as a float
  text,
  choice,    ///< one of ParamDef::choices
  integers,  ///< one integer for all spatial dimensions, or a list of `length`; kept as a list
  numbers,   ///< a list of `length` numbers; kept as floats
  any
};

struct ParamDef {
  std::string name;
  ParamKind kind = ParamKind::integer;
  std::string doc = {};
  Attr fallback = {};     ///< the default; null with `optional` false = must be given
  bool optional = false;  ///< may be left out or null (it follows from the input, or is off)
  double min = -1e300, max = 1e300;  ///< inclusive, for every number in it
  bool min_exclusive = false, max_exclusive = false;
  std::vector<std::string> choices = {};
  int length = 0;  ///< of `integers`, where a single one is repeated to it, and `numbers`; 0 = any
  double doubtful_from = 1e300;  ///< numbers from here on are allowed and draw a warning:
  std::string doubt = {};        ///< why
};

struct PortDef {
  std::string name;
  std::string doc = {};
  bool variadic = false;  ///< takes all remaining inputs (Add, Concat); must be the last
  bool optional = false;
};

struct Ports {
  std::vector<PortDef> inputs, outputs;
};

/// A small model of one layer, for the conformance tests and the reference pages.
struct Sample {
  std::vector<Type> inputs;
  Dict params = {};
  int64_t classes = 0;  ///< integer inputs are drawn from [0, classes)
  std::string note = {};
  bool smooth = true;     ///< false: finite differences meet kinks; only the f64 reference judges
  bool positive = false;  ///< inputs are drawn above 0: elsewhere the layer is not defined
};

/// Where a layer keeps its channels that is linear in its parameter `weight` and adds `bias`, one
/// number for each output channel: a batch norm behind it folds into it (compiler/fold.h). It takes
/// `bias: true`, and may take `groups`.
struct ChannelAxes {
  int weight = 0;  ///< 0: weight is [out, in / groups, ...]; 1: [in, out / groups, ...]
  int output = 1;  ///< of the result; -1 = its last dimension
};

struct LayerDef {
  std::string name;
  Role role = Role::layer;
  std::string doc;
  std::string formula = {};
  std::string source = {};  ///< where the formula comes from
  std::vector<PortDef> inputs = {};
  std::vector<PortDef> outputs = {{"output"}};
  std::vector<ParamDef> params = {};
  /// Adds operations and returns one value for each output port. Losses and metrics return a single
  /// f64 value without N, totals that add up over replicas, micro-batches and the batches of an
  /// evaluation: losses (sum, count), see Builder::batch_mean; metrics these or what `finish`
  /// takes.
  std::function<std::vector<int>(Builder&, Call&)> forward = {};
  /// Given the gradient of each output (-1 = none reaches it), returns that of each input (-1 =
  /// none) and hands those of variables to Builder::add_gradient. A loss is given {-1} and starts
  /// from 1/count (times its `factor` parameter). Null: it has none, and where one is needed the
  /// network is refused (E0245).
  std::function<std::vector<int>(Builder&, const Call&, const std::vector<int>&)> gradient = {};
  /// Metrics only: the number users see, from the elements of the totals. Null: sum / count, 0
  /// where nothing was counted.
  std::function<double(std::span<const double> totals)> finish = {};
  /// Optimizers only: adds the operations that update `weight` from `gradient`.
  std::function<void(Builder&, const Dict& params, int weight, int gradient)> update = {};
  /// Multiply-adds times two of one sample's forward pass, 0 = negligible.
  std::function<int64_t(const Call&, const Builder&)> flops = {};
  std::vector<Sample> samples = {};
  /// Where a layer's ports follow from what was typed: these, instead of `inputs` and `outputs`.
  /// Throws Error(model), saying who it is. Outputs that follow from the shapes of the inputs are
  /// no matter of this: `forward` sets the call's `ports`.
  std::function<Ports(const std::string& who, const Dict& params)> ports = {};

  // What passes over whole networks go by, so that none of them knows layers by name.
  std::optional<ChannelAxes> channels = {};
  /// A batch norm: its statistics are merged over the replicas of its `sync` group, and in eval it
  /// is (x - running_mean) / sqrt(running_var + eps) * weight + bias on dimension 1, as its
  /// parameters `eps`, `eps_mode`, `affine` and `track_running_stats` say.
  bool batch_norm = false;
};

/// The ports of one use of a layer.
inline const std::vector<PortDef>& inputs_of(const Call& call) {
  return call.ports ? call.ports->inputs : call.def->inputs;
}
inline const std::vector<PortDef>& outputs_of(const Call& call) {
  return call.ports ? call.ports->outputs : call.def->outputs;
}

/// Checks what was typed against the definition and fills in defaults; errors (unknown name with
/// the nearest one, wrong kind, out of range, missing) go to `found`.
Dict check_params(const std::vector<ParamDef>& params, const Dict& given, const std::string& who,
                  Mark mark, Diagnostics& found);

}  // namespace braid
