// Model: what was typed, as typed values with their Marks. Blocks, repeats and conditions are
// expanded, names are resolved, expressions are evaluated; types and shapes are not yet checked
// (the compiler does that against a Registry). `dsl` makes a Model from text, C++ programs make
// one directly.
//
//   Model m;
//   m.inputs.push_back({"x", {DType::f32, {N, 64}}});
//   m.layers.push_back({.path = "fc", .type = "Linear", .params = {{"out_features", 10}},
//                       .from = {Link::input(0)}});
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <braid/core/attr.h>
#include <braid/core/pipeline.h>
#include <braid/core/type.h>

namespace braid {

/// A use of an input's or a layer's value.
struct Link {
  enum class Kind { input, layer } kind = Kind::layer;
  int index = -1;         ///< into Model::inputs or Model::layers
  std::string port = {};  ///< which output of the layer; "" = the first
  std::string into =
      {};  ///< which input port of the user, for `from: {input: f}`; "" = by position
  Mark mark = {};

  static Link input(int index) { return {Kind::input, index}; }
  static Link layer(int index, std::string port = {}) {
    return {Kind::layer, index, std::move(port)};
  }
};

enum class Freeze { none, params, stats, all };

/// One dimension of an `expect:`; nothing = `_`, which matches anything.
using ExpectDim = std::optional<Dim>;

/// One use of a layer.
struct LayerItem {
  std::string path;  ///< unique; the prefix of its weights' keys, e.g. "layer1.0.conv1"
  std::string type;  ///< a LayerDef's name
  Dict params = {};  ///< what was typed beside the common keys
  std::vector<Link> from = {};
  int share = -1;                ///< index of the layer whose parameters this call uses
  std::optional<int> sync = {};  ///< replicas per group; 0 = all, 1 = none; unset = the default
  Freeze freeze = Freeze::none;
  bool idle = false;     ///< the phase needs nothing of it
  bool settled = false;  ///< ran in an earlier phase with equal bits: it writes no statistics again
  /// Index into Model::freeze of the first line that its single parameters are matched against; -1
  /// = the layer says itself what is frozen.
  int freeze_from = 0;
  bool recompute = false;    ///< its activations are dropped, and computed again for the gradient
  std::string segment = {};  ///< neighbours with `recompute` and one segment are done at one go
  std::optional<std::vector<ExpectDim>> expect = {};
  Mark expect_mark = {};
  std::string when = {};  ///< "train", "eval" or "" = both
  Dict init = {};         ///< parameter name -> law, number or {npy: file}
  Dict constant = {};     ///< parameter name -> law; it is a buffer then
  std::string on_replicate = {};
  bool spectral_norm = false;  ///< its weight is divided by its largest singular value
  Mark mark = {};              ///< of its name, or of its type where it has none
  Mark type_mark = {};         ///< of its type
};

/// A block or an inline list: layers under a common path. What was typed as a tree is flat here;
/// the containers remember the tree, which the replication callbacks walk.
struct Container {
  std::string path;         ///< "layer1.0"
  std::string type;         ///< the block's name, or "Sequential"
  int first = 0, last = 0;  ///< its layers: [first, last)
  std::string on_replicate = {};
  Mark mark = {};
};

struct InputDecl {
  std::string name;
  Type type;
  Mark mark = {};
};

struct OutputDecl {
  std::string name;
  Link from;
  Mark mark = {};
};

/// A loss or a metric.
struct TermDecl {
  std::string name;  ///< "loss" where the file has a single one
  std::string type;
  Dict params = {};
  std::vector<Link> from = {};
  double factor = 1;
  std::optional<double> target = {};  ///< a constant in place of the second input
  Mark mark = {};
  Mark type_mark = {};
};

/// `type` and the other keys of an optimizer, schedule or data source.
struct TypedDict {
  std::string type;
  Dict params = {};
  Mark mark = {};
  Mark type_mark = {};
};

struct OptimizerGroup {
  std::vector<std::string> match = {};  ///< patterns over weight keys
  std::vector<std::string> types = {};  ///< layer types
  Dict params = {};                     ///< replaces; `lr_scale` multiplies
  Mark mark = {};
};

/// One of several optimizers that take turns over a shared State: a GAN's two sides.
struct PhaseDecl {
  std::string name;
  std::vector<std::string> losses = {};  ///< names of Model::losses, "d.real"
  std::optional<TypedDict> optimizer = {};
  std::vector<OptimizerGroup> groups = {};
  std::optional<TypedDict> schedule = {};
  std::vector<std::string> update = {};  ///< patterns over weight keys: what it trains
  int64_t every = 1;                     ///< batches
  Mark mark = {}, update_mark = {};
};

/// A dimension that has a name in the file, and a size only when the network runs.
struct FreeDim {
  std::string name;
  int64_t size = 0;  ///< 0 = not known
  Mark mark = {};    ///< where it is named first
};

/// Two parameters that are one tensor.
struct TieDecl {
  std::string key, to;  ///< "head.weight" is "embed.weight"
  Mark mark = {};
};

/// A line of `freeze` at the top of a file. What it says of whole layers is in their LayerItem.
struct FreezeRule {
  std::string match;  ///< a pattern over layer paths and weight keys
  Freeze freeze = Freeze::all;
  bool matched = false;  ///< a layer's path
  Mark mark = {};
};

/// A line of `init` at the top of a file.
struct InitRule {
  std::vector<std::string> match = {};  ///< patterns over layer paths and weight keys
  std::vector<std::string> types = {};  ///< layer types
  Dict laws = {};                       ///< parameter name -> law, number or {npy: file}
  Mark mark = {};
};

struct BatchDecl {
  int64_t global = 0;      ///< samples of one optimizer step; 0 = not given
  int64_t accumulate = 1;  ///< micro-batches
  bool drop_last = false;
  Mark mark = {};
};

/// The number of an evaluation that says whether the run has gained.
struct Goodness {
  std::string metric = "loss";  ///< a metric, a loss, or "loss" for their sum
  bool larger = false;          ///< is better
  Mark mark = {};
};

struct TrainDecl {
  std::optional<int64_t> steps = {}, epochs = {};
  /// Of one call, so that a resumed run has them again; beside steps or epochs: the first to end.
  std::optional<double> minutes = {};
  std::optional<double> clip_norm = {};  ///< of all gradients together
  std::optional<double> ema = {};        ///< what the averages of the weights keep at each step
  int64_t eval_every = 1;                ///< epochs
  std::optional<Goodness> keep_best = {};
  int64_t stop_after = 0;  ///< evaluations without gain, by `keep_best` or the loss; 0 = go on
  int64_t checkpoint_every = 0, checkpoint_keep = 3;
  Mark mark = {};
};

/// How a file of weights may differ from the network. Patterns are over the network's keys.
struct WeightsDecl {
  std::string path = {};
  /// How keys of the file begin, and what stands there instead; the first that fits counts.
  std::vector<std::pair<std::string, std::string>> rename = {};
  std::vector<std::string> missing = {};    ///< may lack in the file, and begin as they do without
  std::vector<std::string> extra = {};      ///< may be in the file alone, and are ignored
  std::vector<std::string> misshapen = {};  ///< may have other shapes, and begin as without
  Mark mark = {};
};

/// What layers compute in; weights and statistics are f32.
struct Precision {
  DType compute = DType::f32;
  double loss_scale = 1;  ///< 0 = found while training
  Mark mark = {};
};

/// How gradients are summed over replicas: by the fixed tree, which gives equal bits on any
/// devices; or, between GPUs, in the order of the library that sums them.
enum class Reduce { exact, fast };

struct Model {
  std::string name;
  std::string folder;  ///< of the file; relative data paths start here
  int64_t replicas = 1;
  Mark replicas_mark = {};
  BatchDecl batch = {};
  uint64_t seed = 0;
  std::vector<InputDecl> inputs = {};
  std::vector<LayerItem> layers = {};
  std::vector<Container> containers = {};  ///< in the order they were entered
  /// Paths of layers and containers in the order of the replication callbacks, where that is not
  /// the order of the file: modules of C++ are walked as they were registered.
  std::vector<std::string> traversal = {};
  std::vector<OutputDecl> outputs = {};
  std::vector<TermDecl> losses = {}, metrics = {};
  std::vector<FreezeRule> freeze = {};  ///< later ones win
  std::vector<InitRule> init = {};      ///< later ones win; a layer's own `init` wins over all
  std::optional<TypedDict> optimizer = {};
  std::vector<OptimizerGroup> groups = {};
  std::optional<TypedDict> schedule = {};
  std::vector<PhaseDecl> phases = {};    ///< instead of optimizer, groups and schedule
  std::vector<std::string> update = {};  ///< of one phase (see compiler/phases.h); none = all
  std::vector<FreeDim> free = {};
  std::vector<TieDecl> ties = {};
  std::optional<TypedDict> train_data = {}, test_data = {};
  TrainDecl train = {};
  std::optional<WeightsDecl> weights = {};
  Precision precision = {};
  Reduce reduce = Reduce::exact;
  std::vector<std::string> devices = {};
  Mark devices_mark = {};
  std::optional<PipelineDecl> pipeline = {};  ///< instead of layers, or beside them
  std::string eval_only = {};                 ///< why it cannot be trained; "" = it can
  Mark mark = {};
};

}  // namespace braid
