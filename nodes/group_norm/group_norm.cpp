// GroupNorm, and what InstanceNorm2d shares with it.
#include "group_norm/group_norm.h"

#include "group_norm/parts.h"
#include "ops/checks.h"

namespace braid {
namespace group_norm {

int64_t channels_of(const Builder& b, const Call& c) { return b.type(c.in[0]).shape[1].value; }

int64_t points_of(const Shape& shape) {
  int64_t points = 1;
  for (size_t d = 2; d < shape.size(); ++d) points *= shape[d].value;
  return points;
}

void check_channels(const Builder& b, const Call& c, const char* param) {
  const Shape shape = b.type(c.in[0]).shape;
  const Attr* given = find(c.params, param);
  if (!given || given->is_null() || given->as_int() == shape[1].value) return;
  const std::string channels = to_string(shape[1]);
  b.fail("E0202",
         std::string(param) + " is " + to_string(*given) + ", but the input has " + channels +
             " channels: " + to_string(shape),
         std::string(param) + ": " + channels + ", or leave it out: it follows from the input");
}

void check_rank(const Builder& b, const Call& c, size_t least, size_t most, const char* shapes) {
  require_f32(b, c, 0);
  const Type x = b.type(c.in[0]);
  if (x.rank() >= least && x.rank() <= most) return;
  b.fail("E0201", c.def->name + " takes " + shapes + " and was given " + to_string(x.shape));
}

namespace {

/// "1, 2, 4, 8 or 16": the numbers that divide `n`.
std::string divisors(int64_t n) {
  std::string list, last;
  for (int64_t d = 1; d <= n; ++d) {
    if (n % d != 0) continue;
    if (!last.empty()) list += (list.empty() ? "" : ", ") + last;
    last = std::to_string(d);
  }
  return list.empty() ? last : list + " or " + last;
}

int64_t checked_groups(const Builder& b, const Call& c) {
  const int64_t groups = get_int(c.params, "num_groups"), channels = channels_of(b, c);
  if (channels % groups == 0) return groups;
  b.fail("E0262",
         "num_groups is " + std::to_string(groups) + ", which does not divide the input's " +
             std::to_string(channels) + " channels: " + to_string(b.type(c.in[0]).shape),
         "num_groups: " + divisors(channels));
}

}  // namespace

void add_affine(Builder& b, Call& c) {
  if (!get_bool(c.params, "affine", true)) return;
  const Shape channels{b.type(c.in[0]).shape[1]};
  c.saved["weight"] = b.param("weight", channels, Init::constant(1));
  c.saved["bias"] = b.param("bias", channels, Init::constant(0));
}

std::vector<int> normalize(Builder& b, Call& c, int64_t groups) {
  const Shape shape = b.type(c.in[0]).shape;
  if (shape[1].value / groups * points_of(shape) == 1)
    b.fail("E0263",
           "each group of " + to_string(shape) + " has a single value, which has no variance",
           "fewer groups, or no normalization here");
  std::vector<int> in = {c.in[0]};
  add_affine(b, c);
  if (c.saved.contains("weight")) in.insert(in.end(), {c.saved["weight"], c.saved["bias"]});
  auto out = b.add("group_norm", in, {{"num_groups", groups}, {"eps", *find(c.params, "eps")}});
  c.saved["statistics"] = out[1];
  return {out[0]};
}

std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>& g) {
  std::vector<int> in = {g[0], c.in[0], c.saved.at("statistics")};
  const bool affine = c.saved.contains("weight");
  if (affine) in.push_back(c.saved.at("weight"));
  const int64_t groups = b.type(c.saved.at("statistics")).shape[2].value;
  auto out =
      b.add("group_norm_grad", in, {{"num_groups", groups}, {"eps", *find(c.params, "eps")}});
  if (!affine) return {out[0]};
  const int weight = c.saved.at("weight"), bias = c.saved.at("bias");
  if (b.needs_gradient(weight) || b.needs_gradient(bias)) {
    const int sums = b.one("group_norm_sums", {out[1]});
    if (b.needs_gradient(bias)) b.add_gradient(bias, b.one("bn_row", {sums}, {{"row", 0}}));
    if (b.needs_gradient(weight)) b.add_gradient(weight, b.one("bn_row", {sums}, {{"row", 1}}));
  }
  return {out[0]};
}

ParamDef eps() {
  return {.name = "eps",
          .kind = ParamKind::number,
          .doc = "keeps the division away from 0",
          .fallback = 1e-5,
          .min = 0,
          .min_exclusive = true};
}

ParamDef affine(bool fallback) {
  return {.name = "affine",
          .kind = ParamKind::boolean,
          .doc = "learn a weight and a bias per channel",
          .fallback = fallback};
}

ParamDef channels(const char* name) {
  return {.name = name,
          .doc = "channels, dimension 1; follows from the input",
          .optional = true,
          .min = 1};
}

namespace {

std::vector<Type> f32(Shape shape) { return {{DType::f32, std::move(shape)}}; }

LayerDef group_layer() {
  return {
      .name = "GroupNorm",
      .doc =
          "Each sample's channels in groups, each brought to mean 0 and variance 1. Nothing "
          "is shared between samples: the same in training and evaluation.",
      .formula = "y = (x - mean) / sqrt(var + eps) * weight + bias, mean and var of a group",
      .source = "Wu and He, Group Normalization, 2018",
      .inputs = {{"input", "f32 [N, C] to [N, C, D, H, W]"}},
      .params = {{.name = "num_groups", .doc = "must divide the channels", .min = 1},
                 channels("num_channels"),
                 eps(),
                 affine(true)},
      .forward =
          [](Builder& b, Call& c) {
            check_rank(b, c, 2, 5, "(N, C) to (N, C, D, H, W)");
            check_channels(b, c, "num_channels");
            return normalize(b, c, checked_groups(b, c));
          },
      .gradient = gradient,
      .samples = {{.inputs = f32({N, 4, 7, 5}), .params = {{"num_groups", 2}}},
                  {.inputs = f32({N, 6}), .params = {{"num_groups", 2}}, .note = "rows"},
                  {.inputs = f32({N, 32, 5, 5}),
                   .params = {{"num_groups", 2}, {"eps", 0.1}},
                   .note = "groups of whole blocks"},
                  {.inputs = f32({N, 16, 3, 3}),
                   .params = {{"num_groups", 4}, {"num_channels", 16}},
                   .note = "groups within a block"},
                  {.inputs = f32({N, 24, 2, 3, 2}),
                   .params = {{"num_groups", 2}, {"affine", false}},
                   .note = "groups across blocks"},
                  {.inputs = f32({N, 5, 9}), .params = {{"num_groups", 1}}, .note = "one group"}}};
}

}  // namespace
}  // namespace group_norm

void register_group_norm(Registry& registry) {
  auto infer = [](const Dict& attrs, std::span<const Type> in) {
    return std::vector<Type>{in[0],
                             {DType::f64, {in[0].shape[0], 2, get_int(attrs, "num_groups")}}};
  };
  auto infer_gradient = [](const Dict&, std::span<const Type> in) {
    return std::vector<Type>{in[1], {DType::f64, {in[1].shape[0], 2, in[1].shape[1]}}};
  };
  auto infer_sums = [](const Dict&, std::span<const Type> in) {
    return std::vector<Type>{{DType::f64, {2, in[0].shape[2]}}};
  };
  registry.add(OpDef{.name = "group_norm", .infer = infer});
  registry.add(OpDef{.name = "group_norm_grad", .infer = infer_gradient});
  registry.add(OpDef{.name = "group_norm_sums", .infer = infer_sums, .merge = "sum"});
  group_norm::register_kernels(registry);
  group_norm::register_references(registry);
  registry.add(group_norm::group_layer());
  group_norm::register_instance_norm(registry);
}

}  // namespace braid
