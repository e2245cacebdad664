// Squeeze and Unsqueeze: dimensions of one cell go, and come.
#include <algorithm>

#include <braid/core/registry.h>

#include "ops/checks.h"
#include "ops/reshaped.h"

namespace braid {

void register_squeeze(Registry& registry);

namespace {

Shape squeezed(const Builder& b, const Call& call) {
  const Type x = b.type(call.in[0]);
  std::vector<size_t> gone;
  for (int64_t dim : get_ints(call.params, "dim")) {
    gone.push_back(resolve_dim(b, x, dim));
    if (x.shape[gone.back()] != Dim(1))
      b.fail("E0279",
             "dim " + std::to_string(dim) + " of " + to_string(x.shape) + " has " +
                 to_string(x.shape[gone.back()]) + " cells",
             "only a dimension of one cell goes; Flatten joins dimensions, Mean and Sum take one "
             "away");
  }
  Shape shape;
  for (size_t d = 0; d < x.rank(); ++d)
    if (std::ranges::count(gone, d) == 0) shape.push_back(x.shape[d]);
  return shape;
}

// `dim` is a place in the result.
Shape unsqueezed(const Builder& b, const Call& call) {
  Shape shape = b.type(call.in[0]).shape;
  const std::string input = to_string(shape);
  const int64_t typed = get_int(call.params, "dim"), rank = int64_t(shape.size()) + 1;
  if (typed < -rank || typed >= rank)
    b.fail(
        "E0231",
        "dim " + std::to_string(typed) + " does not exist in the result, which has " +
            std::to_string(rank) + " dimensions: the input is " + input,
        "dims of the result go from " + std::to_string(-rank) + " to " + std::to_string(rank - 1));
  const int64_t dim = typed < 0 ? typed + rank : typed;
  if (dim == 0 && b.type(call.in[0]).batched())
    b.fail("E0232",
           "dim " + std::to_string(typed) + " moves N of " + input +
               " away from dimension 0: replicas hold slices of it",
           "choose a dim from 1 on");
  shape.insert(shape.begin() + dim, Dim(1));
  return shape;
}

void set_functions(LayerDef& def, Shape (*result)(const Builder&, const Call&)) {
  def.forward = [result](Builder& b, Call& c) {
    return std::vector<int>{reshaped(b, c.in[0], result(b, c))};
  };
  def.gradient = [](Builder& b, const Call& c, const std::vector<int>& g) {
    const bool needed = g[0] >= 0 && b.needs_gradient(c.in[0]);
    return std::vector<int>{needed ? reshaped(b, g[0], b.type(c.in[0]).shape) : -1};
  };
}

LayerDef squeeze_layer() {
  LayerDef def{.name = "Squeeze",
               .doc =
                   "Takes dimensions of one cell away: [N, 8, 1, 1] with dim [2, 3] gives "
                   "[N, 8]. What has more than one cell is an error, and so is the batch.",
               .formula = "y is x, read row by row",
               .source = "torch.squeeze",
               .inputs = {{"input", "of any dtype"}},
               .params = {{.name = "dim",
                           .kind = ParamKind::integers,
                           .doc = "a dimension, or a list of them; negative ones count from the "
                                  "end"}}};
  set_functions(def, squeezed);
  def.samples = {{.inputs = {{DType::f32, {N, 8, 1, 1}}}, .params = {{"dim", Attr::List{2, 3}}}},
                 {.inputs = {{DType::f32, {N, 1, 5, 3}}}, .params = {{"dim", 1}}, .note = "one"},
                 {.inputs = {{DType::f32, {1, 4}}},
                  .params = {{"dim", -2}},
                  .note = "the first, where there is no batch"}};
  return def;
}

LayerDef unsqueeze_layer() {
  LayerDef def{.name = "Unsqueeze",
               .doc = "Puts a dimension of one cell in: [N, 8] with dim 1 gives [N, 1, 8].",
               .formula = "y is x, read row by row",
               .source = "torch.unsqueeze",
               .inputs = {{"input", "of any dtype"}},
               .params = {{.name = "dim",
                           .doc = "its place in the result; -1 is behind the last. Not 0 where the "
                                  "input has N"}}};
  set_functions(def, unsqueezed);
  def.samples = {
      {.inputs = {{DType::f32, {N, 8}}}, .params = {{"dim", 1}}},
      {.inputs = {{DType::f32, {N, 3, 4}}}, .params = {{"dim", -1}}, .note = "behind the last"},
      {.inputs = {{DType::f32, {4, 3}}}, .params = {{"dim", 0}}, .note = "without a batch"}};
  return def;
}

}  // namespace

void register_squeeze(Registry& registry) {
  registry.add(squeeze_layer());
  registry.add(unsqueeze_layer());
}

}  // namespace braid
