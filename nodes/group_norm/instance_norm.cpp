// InstanceNorm2d: GroupNorm with a group for each channel and, where they are kept, running means
// of the samples' statistics, by which evaluation normalizes as batch norm does.
#include "group_norm/parts.h"

namespace braid::group_norm {
namespace {

bool tracks(const Call& c) { return get_bool(c.params, "track_running_stats"); }

bool uses_running(const Builder& b, const Call& c) {
  const bool frozen = c.freeze == Freeze::stats || c.freeze == Freeze::all;
  return tracks(c) && (frozen || !b.training());
}

void add_buffers(Builder& b, Call& c) {
  const Shape channels{b.type(c.in[0]).shape[1]};
  c.saved["mean"] = b.buffer("running_mean", {DType::f32, channels}, Init::constant(0));
  c.saved["var"] = b.buffer("running_var", {DType::f32, channels}, Init::constant(1));
  c.saved["batches"] = b.buffer("num_batches_tracked", {DType::i64, {}}, Init::constant(0));
}

void add_running(Builder& b, const Call& c) {
  const int64_t points = points_of(b.type(c.in[0]).shape);
  const int sums = b.one("instance_sums", {c.saved.at("statistics")},
                         {{"points", points}, {"eps", *find(c.params, "eps")}});
  const int moments = b.one("instance_moments", {sums});
  b.add("bn_running", {moments, c.saved.at("mean"), c.saved.at("var"), c.saved.at("batches")},
        {{"momentum", *find(c.params, "momentum")}, {"unbiased", true}});
}

/// x or (g, x), then statistics, then weight and bias where there are any.
std::vector<int> by_running(const Call& c, std::vector<int> in) {
  for (const char* name : {"mean", "var", "weight", "bias"})
    if (auto v = c.saved.find(name); v != c.saved.end()) in.push_back(v->second);
  return in;
}

Dict running_attrs(const Call& c) {
  return {{"eps", *find(c.params, "eps")},
          {"eps_mode", "plus"},
          {"affine", get_bool(c.params, "affine")},
          {"relu", false}};
}

std::vector<int> instance_forward(Builder& b, Call& c) {
  check_rank(b, c, 4, 4, "(N, C, H, W)");
  check_channels(b, c, "num_features");
  if (tracks(c)) add_buffers(b, c);
  if (uses_running(b, c)) {
    add_affine(b, c);
    return b.add("normalize_eval", by_running(c, {c.in[0]}), running_attrs(c));
  }
  auto y = normalize(b, c, channels_of(b, c));
  if (tracks(c)) add_running(b, c);
  return y;
}

std::vector<int> instance_gradient(Builder& b, const Call& c, const std::vector<int>& g) {
  if (!uses_running(b, c)) return gradient(b, c, g);
  const auto in = by_running(c, {g[0], c.in[0]});
  if (c.saved.contains("weight")) {
    const int weight = c.saved.at("weight"), bias = c.saved.at("bias");
    if (b.needs_gradient(weight) || b.needs_gradient(bias)) {
      const int sums = b.one("bn_eval_reduce", in, running_attrs(c));
      b.add_gradient(bias, b.one("bn_row", {sums}, {{"row", 0}}));
      b.add_gradient(weight, b.one("bn_row", {sums}, {{"row", 1}}));
    }
  }
  return b.add("bn_eval_dx", in, running_attrs(c));
}

/// f64 already: the CPU's kernels are the judges'.
KernelBody make_sums(const Signature& s) {
  return [sums = InstanceSums(s), samples = s.in[0].dim(0)](const KernelArgs& a) {
    for (int64_t c = 0; c < sums.channels; ++c)
      sums.channel(a.in<double>(0), samples, c, a.out<double>(0));
  };
}

KernelBody make_moments(const Signature& s) {
  return [channels = s.in[0].dim(1)](const KernelArgs& a) {
    for (int64_t c = 0; c < channels; ++c)
      instance_moments(a.in<double>(0), channels, c, a.out<double>(0));
  };
}

LayerDef instance_layer() {
  auto f32 = [](Shape shape) { return std::vector<Type>{{DType::f32, std::move(shape)}}; };
  return {
      .name = "InstanceNorm2d",
      .doc =
          "Each channel of each sample brought to mean 0 and variance 1: GroupNorm with a "
          "group for each channel. With running statistics evaluation takes those instead.",
      .formula = "y = (x - mean) / sqrt(var + eps) * weight + bias, mean and var of a plane",
      .source = "Ulyanov et al., Instance Normalization, 2016",
      .inputs = {{"input", "f32 [N, C, H, W]"}},
      .params = {channels("num_features"),
                 eps(),
                 {.name = "momentum",
                  .kind = ParamKind::number,
                  .doc = "weight of the new batch in the running statistics",
                  .fallback = 0.1,
                  .min = 0,
                  .max = 1},
                 affine(false),
                 {.name = "track_running_stats",
                  .kind = ParamKind::boolean,
                  .doc = "keep means over samples of their statistics, for eval",
                  .fallback = false}},
      .forward = instance_forward,
      .gradient = instance_gradient,
      .samples = {
          {.inputs = f32({N, 3, 7, 5})},
          {.inputs = f32({N, 20, 4, 4}), .params = {{"affine", true}}},
          {.inputs = f32({N, 3, 7, 5}),
           .params = {{"track_running_stats", true}},
           .note = "running statistics"},
          {.inputs = f32({N, 20, 4, 3}),
           .params = {
               {"track_running_stats", true}, {"affine", true}, {"momentum", 0.3}, {"eps", 0.1}}}}};
}

}  // namespace

void register_instance_norm(Registry& r) {
  auto infer_sums = [](const Dict&, std::span<const Type> in) {
    return std::vector<Type>{{DType::f64, {3, in[0].shape[2]}}};
  };
  r.add(OpDef{.name = "instance_sums", .infer = infer_sums, .merge = "sum"});
  r.add(OpDef{.name = "instance_moments", .infer = same_type});
  for (const char* device : {"cpu", "reference"}) {
    r.add(plain_kernel("instance_sums", device, make_sums));
    r.add(plain_kernel("instance_moments", device, make_moments));
  }
  r.add(instance_layer());
}

}  // namespace braid::group_norm
