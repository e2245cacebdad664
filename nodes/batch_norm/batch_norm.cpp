// BatchNorm1d, 2d, 3d: batch normalization over all replicas.
#include "batch_norm/parts.h"
#include "ops/checks.h"

namespace braid {
namespace batch_norm {
namespace {

// How many dimensions a layer takes, and which layer takes how many: for messages.
struct Ranks {
  const char* layer;
  size_t least, most;
  const char* shapes;
};
constexpr Ranks kRanks[] = {{"BatchNorm1d", 2, 3, "(N, C) or (N, C, L)"},
                            {"BatchNorm2d", 4, 4, "(N, C, H, W)"},
                            {"BatchNorm3d", 5, 5, "(N, C, D, H, W)"}};

std::string layer_for(size_t rank) {
  for (auto& r : kRanks)
    if (rank >= r.least && rank <= r.most)
      return "inputs of " + std::to_string(rank) + " dimensions go to " + r.layer;
  return "batch norm needs 2 to 5 dimensions";
}

void check_input(Builder& b, const Call& c, const Ranks& ranks) {
  require_f32(b, c, 0);
  const Type x = b.type(c.in[0]);
  if (x.rank() < ranks.least || x.rank() > ranks.most)
    b.fail("E0201",
           std::string(ranks.layer) + " takes " + ranks.shapes + " and was given " +
               to_string(x.shape),
           layer_for(x.rank()));
  const Attr* features = find(c.params, "num_features");
  if (features && !features->is_null() && features->as_int() != x.shape[1].value)
    b.fail(
        "E0202",
        "num_features is " + to_string(*features) + ", but the input has " + to_string(x.shape[1]) +
            " channels: " + to_string(x.shape),
        "num_features: " + to_string(x.shape[1]) + ", or leave it out: it follows from the input");
}

// Running statistics instead of the batch's: in eval mode, and where they are frozen.
bool uses_running(const Builder& b, const Call& c) {
  bool frozen = c.freeze == Freeze::stats || c.freeze == Freeze::all;
  return get_bool(c.params, "track_running_stats", true) && (frozen || !b.training());
}

Dict kernel_attrs(const Call& c) {
  return {{"eps", *find(c.params, "eps")},
          {"eps_mode", *find(c.params, "eps_mode")},
          {"affine", get_bool(c.params, "affine", true)},
          {"relu", false}};
}

// The inputs of an operation: `first`, then statistics, then weight and bias where there are any.
std::vector<int> inputs(const Call& c, std::vector<int> first) {
  for (const char* name : {"weight", "bias"})
    if (auto v = c.saved.find(name); v != c.saved.end()) first.push_back(v->second);
  return first;
}

void add_running(Builder& b, const Call& c, int moments) {
  Dict attrs = {{"momentum", *find(c.params, "momentum")},
                {"unbiased", get_text(c.params, "running_var") == "unbiased"}};
  b.add("bn_running", {moments, c.saved.at("mean"), c.saved.at("var"), c.saved.at("batches")},
        attrs);
}

void add_variables(Builder& b, Call& c) {
  const Shape channels{b.type(c.in[0]).shape[1]};
  if (get_bool(c.params, "affine", true)) {
    c.saved["weight"] = b.param("weight", channels, Init::constant(1));
    c.saved["bias"] = b.param("bias", channels, Init::constant(0));
  }
  if (!get_bool(c.params, "track_running_stats", true)) return;
  c.saved["mean"] = b.buffer("running_mean", {DType::f32, channels}, Init::constant(0));
  c.saved["var"] = b.buffer("running_var", {DType::f32, channels}, Init::constant(1));
  c.saved["batches"] = b.buffer("num_batches_tracked", {DType::i64, {}}, Init::constant(0));
}

bool masked(const Call& c) { return c.in.size() > 1; }

std::vector<int> forward(Builder& b, Call& c, const Ranks& ranks) {
  check_input(b, c, ranks);
  if (masked(c)) check_mask(b, c);
  add_variables(b, c);
  const int x = c.in[0];
  if (uses_running(b, c))
    return b.add("normalize_eval", inputs(c, {x, c.saved["mean"], c.saved["var"]}),
                 kernel_attrs(c));
  if (c.freeze == Freeze::stats || c.freeze == Freeze::all)
    b.fail("E0209", "its statistics cannot be frozen: track_running_stats is false",
           "freeze: params keeps weight and bias as they are");
  std::vector<int> counted = {x};
  if (masked(c)) counted.push_back(c.saved["weights"] = b.one("bn_weights", {c.in[1]}));
  const int m = c.saved["moments"] = b.one("moments", counted);
  if (b.training() && c.saved.contains("mean")) add_running(b, c, m);
  return b.add("normalize", inputs(c, {x, m}), kernel_attrs(c), c.group);
}

// One synchronization carries (sum g, sum g·x̂); dx, dweight and dbias all read its result.
std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>& g) {
  const int x = c.in[0];
  const bool running = uses_running(b, c);
  auto saved = [&](const char* name) {
    auto v = c.saved.find(name);
    return v == c.saved.end() ? -1 : v->second;
  };
  const int weight = saved("weight"), bias = saved("bias");
  const bool wants_params = b.needs_gradient(weight) || b.needs_gradient(bias);
  const bool wants_x = b.needs_gradient(x);
  std::vector<int> from = {g[0], x};
  if (running)
    from.insert(from.end(), {saved("mean"), saved("var")});
  else
    from.push_back(saved("moments"));

  Dict attrs = kernel_attrs(c);
  if (masked(c)) set(attrs, "masked", true);
  int s = -1;
  if (wants_params || (wants_x && !running))
    s = b.one(running ? "bn_eval_reduce" : "bn_reduce", inputs(c, from), attrs, c.group);
  if (b.needs_gradient(bias)) b.add_gradient(bias, b.one("bn_row", {s}, {{"row", 0}}));
  if (b.needs_gradient(weight)) b.add_gradient(weight, b.one("bn_row", {s}, {{"row", 1}}));
  if (!wants_x) return {-1};
  if (running) return b.add("bn_eval_dx", inputs(c, from), attrs);
  from.push_back(s);
  from = inputs(c, from);
  if (masked(c)) from.push_back(saved("weights"));
  return b.add("bn_dx", from, attrs, c.group);
}

std::vector<ParamDef> params() {
  return {{.name = "num_features",
           .doc = "channels, dimension 1; follows from the input",
           .optional = true,
           .min = 1},
          {.name = "eps",
           .kind = ParamKind::number,
           .doc = "keeps the division away from 0",
           .fallback = 1e-5,
           .min = 0,
           .min_exclusive = true},
          {.name = "momentum",
           .kind = ParamKind::number,
           .doc = "weight of the new batch in the running statistics; null = mean of all batches",
           .fallback = 0.1,
           .optional = true,
           .min = 0,
           .max = 1,
           .doubtful_from = 0.5,
           .doubt = "momentum is PyTorch's: the weight of the new batch. Keras and TensorFlow give "
                    "the weight of the old value: their 0.9 is 0.1 here"},
          {.name = "affine",
           .kind = ParamKind::boolean,
           .doc = "learn a weight and a bias per channel",
           .fallback = true},
          {.name = "track_running_stats",
           .kind = ParamKind::boolean,
           .doc = "keep running statistics for eval; false = eval uses the batch's own",
           .fallback = true},
          {.name = "eps_mode",
           .kind = ParamKind::choice,
           .doc = "plus: 1/sqrt(var + eps); clamp: 1/sqrt(max(var, eps))",
           .fallback = "plus",
           .choices = {"plus", "clamp"}},
          {.name = "running_var",
           .kind = ParamKind::choice,
           .doc = "divide M2 by n - 1 (unbiased) or by n (biased)",
           .fallback = "unbiased",
           .choices = {"unbiased", "biased"}}};
}

PortDef mask_port() {
  return {.name = "mask",
          .doc =
              "f32, u8 or bool: how often each position counts in the statistics of training, 0 "
              "= not at all (padding; it may hold anything, NaN too); without the channels, or "
              "with 1 for them. Every position is normalized with those statistics, also what "
              "is masked out: NaN stays NaN there. Weights are frequencies: the unbiased "
              "variance divides by their sum less 1",
          .optional = true};
}

std::vector<Sample> samples(const std::string& name) {
  auto f32 = [](Shape shape) { return std::vector<Type>{{DType::f32, std::move(shape)}}; };
  if (name == "BatchNorm1d")
    return {{.inputs = f32({N, 5})},
            {.inputs = f32({N, 20}), .params = {{"affine", false}}},
            {.inputs = f32({N, 3, 7}), .params = {{"momentum", Attr()}}},
            {.inputs = {{DType::f32, {N, 3, 7}}, {DType::u8, {N, 7}}},
             .classes = 3,
             .note = "a mask of sequences"},
            {.inputs = {{DType::f32, {N, 20}}, {DType::u8, {N}}}, .classes = 4}};
  if (name == "BatchNorm3d")
    return {{.inputs = f32({N, 2, 3, 2, 5})},
            {.inputs = f32({N, 20, 2, 3, 1}), .params = {{"running_var", "biased"}}},
            {.inputs = {{DType::f32, {N, 2, 3, 2, 5}}, {DType::boolean, {N, 1, 3, 2, 5}}},
             .params = {{"affine", false}},
             .classes = 2}};
  return {{.inputs = f32({N, 3, 7, 5})},
          {.inputs = f32({N, 1, 7, 5}), .note = "one channel"},
          {.inputs = f32({N, 20, 4, 3}), .params = {{"eps", 0.1}}},
          {.inputs = f32({N, 3, 5, 1}), .params = {{"affine", false}}},
          {.inputs = f32({N, 4, 3, 3}), .params = {{"eps_mode", "clamp"}}},
          {.inputs = {{DType::f32, {N, 20, 4, 3}}, {DType::boolean, {N, 1, 4, 3}}},
           .classes = 2,
           .note = "a mask of images"}};
}

LayerDef layer(const Ranks& ranks) {
  return {
      .name = ranks.layer,
      .doc = std::string("Batch normalization of ") + ranks.shapes + " over all replicas.",
      .formula = "y = (x - mean) / sqrt(var + eps) * weight + bias",
      .source = "Ioffe and Szegedy 2015",
      .inputs = {{"input"}, mask_port()},
      .params = params(),
      .forward = [&ranks](Builder& b, Call& c) { return forward(b, c, ranks); },
      .gradient = gradient,
      .samples = samples(ranks.layer),
      .batch_norm = true,
  };
}

}  // namespace
}  // namespace batch_norm

void register_batch_norm(Registry& r) {
  batch_norm::register_ops(r);
  batch_norm::register_kernels(r);
  batch_norm::register_statistics(r);
  batch_norm::register_weights(r);
  batch_norm::register_reference(r);
  for (auto& ranks : batch_norm::kRanks) r.add(batch_norm::layer(ranks));
}

}  // namespace braid
