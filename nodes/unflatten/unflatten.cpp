// Unflatten: one dimension becomes several.
#include <algorithm>

#include <braid/core/registry.h>

#include "ops/shape_attr.h"

namespace braid {
namespace {

size_t dim_of(const Builder& b, const Call& call, const Shape& x) {
  const int64_t rank = int64_t(x.size()), dim = get_int(call.params, "dim");
  if (dim < -rank || dim >= rank)
    b.fail("E0208", "dim is " + std::to_string(dim) + ", and the input " + to_string(x) +
                        " has dimensions 0 to " + std::to_string(rank - 1));
  return size_t(dim < 0 ? dim + rank : dim);
}

Shape typed_sizes(const Builder& b, const Attr& typed) {
  Shape sizes;
  if (!typed.is<Attr::List>() || typed.as_list().empty())
    b.fail("E0233", "unflattened_size is " + to_string(typed) + ", needs a list of sizes");
  for (const Attr& attr : typed.as_list()) {
    auto dim = parse_dim(attr);
    if (!dim || dim->value < -1 || dim->value == 0)
      b.fail("E0233",
             "unflattened_size " + to_string(typed) + ": " + to_string(attr) + " is no size",
             "sizes are whole numbers above 0, N, k*N, and one -1 for what is left");
    sizes.push_back(*dim);
  }
  if (std::ranges::count(sizes, -1, &Dim::value) > 1)
    b.fail("E0233", "unflattened_size " + to_string(typed) + " has more than one -1");
  return sizes;
}

Shape unflattened(Builder& b, const Call& call) {
  Shape x = b.type(call.in[0]).shape;
  const size_t dim = dim_of(b, call, x);
  const Attr& typed = *find(call.params, "unflattened_size");
  Shape sizes = typed_sizes(b, typed);
  const std::string what = "dim " + std::to_string(dim) + " of " + to_string(x) + ", " +
                           to_string(x[dim]) + " cells, cannot become " + to_string(typed);
  int64_t known = 1;
  for (const Dim& d : sizes) known *= d.value == -1 ? 1 : d.value;
  for (Dim& d : sizes)
    if (d.value == -1) {
      d = {x[dim].value / known, x[dim].batched && &d == sizes.data()};
      known *= d.value;
    }
  for (size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i].batched != (x[dim].batched && i == 0))
      b.fail("E0232", what + ": samples are slices of replicas",
             x[dim].batched ? "the first size is N or k*N, and N stands nowhere else"
                            : "this dimension has no N");
  if (known != x[dim].value)
    b.fail("E0233", what, "the product of the sizes is " + std::to_string(known));
  x.erase(x.begin() + ptrdiff_t(dim));
  x.insert(x.begin() + ptrdiff_t(dim), sizes.begin(), sizes.end());
  return x;
}

std::vector<int> reshape(Builder& b, int value, const Shape& shape) {
  return b.add("reshape", {value}, {{"shape", to_attr(shape)}});
}

}  // namespace

void register_unflatten(Registry& registry) {
  registry.add(LayerDef{
      .name = "Unflatten",
      .doc = "Makes several dimensions of one: [N, 32, H, W] with dim 1 and unflattened_size "
             "[2, 16] gives [N, 2, 16, H, W].",
      .formula = "y is x, read row by row",
      .source = "torch.nn.Unflatten",
      .inputs = {{"input", "of any dtype"}},
      .params = {{.name = "dim", .doc = "counted from 0; negative from the end"},
                 {.name = "unflattened_size",
                  .kind = ParamKind::any,
                  .doc = "what it becomes, for example [2, -1], or [N, 16] of dimension 0"}},
      .forward = [](Builder& b, Call& c) { return reshape(b, c.in[0], unflattened(b, c)); },
      .gradient = [](Builder& b, const Call& c,
                     const std::vector<int>& g) { return reshape(b, g[0], b.type(c.in[0]).shape); },
      .samples = {{.inputs = {{DType::f32, {N, 12, 3, 2}}},
                   .params = {{"dim", 1}, {"unflattened_size", Attr::List{3, 4}}}},
                  {.inputs = {{DType::f32, {N, 3, 6}}},
                   .params = {{"dim", -1}, {"unflattened_size", Attr::List{1, -1, 2}}},
                   .note = "the last one; one size is left open"},
                  {.inputs = {{DType::f32, {{3, true}, 4}}},
                   .params = {{"dim", 0}, {"unflattened_size", Attr::List{"N", 3}}},
                   .note = "rows become parts of samples again"}}});
}

}  // namespace braid
