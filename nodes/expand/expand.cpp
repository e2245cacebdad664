// Expand: single cells repeated.
#include "expand/ops.h"
#include "ops/checks.h"
#include "ops/shape_attr.h"

namespace braid {
namespace {

Shape typed_size(const Builder& b, const Attr& typed) {
  if (!typed.is<Attr::List>())
    b.fail("E0275", "size is " + to_string(typed) + ", needs a list",
           "a size for each dimension; -1 keeps the input's");
  Shape size;
  for (const Attr& attr : typed.as_list()) {
    auto dim = parse_dim(attr);
    if (!dim || dim->value < -1 || dim->value == 0)
      b.fail("E0275", "size " + to_string(typed) + ": " + to_string(attr) + " is no size",
             "sizes are whole numbers above 0, N, k*N, and -1 for what stays as it is");
    size.push_back(*dim);
  }
  return size;
}

/// The input's shape with 1 for the dimensions that `size` has more, as in PyTorch.
Shape aligned(const Shape& x, size_t rank) {
  Shape all(rank - x.size(), Dim(1));
  all.insert(all.end(), x.begin(), x.end());
  return all;
}

Shape result_shape(Builder& b, const Call& call) {
  const Shape& x = b.type(call.in[0]).shape;
  const Attr& typed = *find(call.params, "size");
  Shape size = typed_size(b, typed);
  auto refuse = [&](const std::string& why) {
    b.fail("E0275", "cannot expand " + to_string(x) + " to " + to_string(typed) + ": " + why,
           "only dimensions of size 1 are repeated; -1 keeps the input's size");
  };
  if (size.size() < x.size())
    refuse("the input has " + std::to_string(x.size()) + " dimensions, the size " +
           std::to_string(size.size()));
  const bool batched = b.type(call.in[0]).batched();
  if (batched && size.size() > x.size())
    b.fail("E0232",
           "expanding " + to_string(x) + " to " + to_string(typed) +
               " moves the batch away from dimension 0",
           "use Unflatten to put new dimensions behind N");
  const Shape from = aligned(x, size.size());
  for (size_t d = 0; d < size.size(); ++d) {
    if (size[d].value == -1) size[d] = from[d];
    if (size[d].batched && (d > 0 || !batched))
      b.fail("E0232",
             "expanding " + to_string(x) + " to " + to_string(typed) +
                 (d > 0 ? ": N stands behind dimension 0" : ": the input has no N"),
             "what has no N is common to all replicas and broadcasts where it is used");
    if (size[d] != from[d] && from[d] != Dim(1))
      refuse("dimension " + std::to_string(d) + " has " + to_string(from[d]) + " cells, not 1");
  }
  return size;
}

std::vector<int> forward(Builder& b, Call& call) {
  return {expand(b, call.in[0], result_shape(b, call))};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  return {expand_gradient(b, call.in[0], g[0])};
}

}  // namespace

void register_expand(Registry& registry) {
  register_expand_ops(registry);
  register_expand_kernels(registry);
  register_expand_reference(registry);
  registry.add(LayerDef{
      .name = "Expand",
      .doc = "Repeats dimensions of size 1: [N, 1, C] with size [N, 16, C] gives [N, 16, C]. What "
             "the size has more than the input is put in front.",
      .formula = "y[i, j] = x[i, 0]",
      .source = "torch.Tensor.expand",
      .inputs = {{"input", "of any dtype"}},
      .params = {{.name = "size",
                  .kind = ParamKind::any,
                  .doc = "the sizes of the result, for example [N, 16, -1]; -1 keeps the input's"}},
      .forward = forward,
      .gradient = gradient,
      .samples = {
          {.inputs = {{DType::f32, {N, 1, 4, 3}}}, .params = {{"size", Attr::List{"N", 5, 4, 3}}}},
          {.inputs = {{DType::f32, {N, 3, 1, 2, 1}}},
           .params = {{"size", Attr::List{-1, -1, 4, -1, 5}}},
           .note = "two dimensions that are not neighbours"},
          {.inputs = {{DType::f32, {3, 1}}},
           .params = {{"size", Attr::List{2, 3, 4}}},
           .note = "a new dimension in front, without a batch"}}});
}

}  // namespace braid
