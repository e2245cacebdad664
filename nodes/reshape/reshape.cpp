#include <algorithm>
#include <cstring>
#include <numeric>

#include <braid/core/registry.h>

#include "ops/shape_attr.h"

namespace braid {

void register_reshape(Registry& registry);

namespace {

int64_t product(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1},
                         [](int64_t p, const Dim& d) { return p * d.value; });
}

[[noreturn]] void does_not_fit(const Builder& b, const Type& in, const Attr& typed) {
  b.fail("E0233", "cannot reshape " + to_string(in.shape) + " into " + to_string(typed),
         "both need the same number of elements a sample");
}

Shape parse(const Builder& b, const Attr& typed) {
  Shape shape;
  if (!typed.is<Attr::List>()) b.fail("E0233", "shape must be a list, is " + to_string(typed));
  for (const Attr& attr : typed.as_list()) {
    auto dim = parse_dim(attr);
    if (!dim || dim->value < -1 || dim->value == 0)
      b.fail("E0233", "shape " + to_string(typed) + ": " + to_string(attr) + " is no size",
             "sizes are whole numbers above 0, N, k*N, and one -1 for what is left");
    shape.push_back(*dim);
  }
  if (std::ranges::count(shape, -1, &Dim::value) > 1)
    b.fail("E0233", "shape " + to_string(typed) + " has more than one -1");
  return shape;
}

// Row-major order keeps samples whole as long as N stays the factor of dimension 0.
Shape target_shape(const Builder& b, const Type& in, const Attr& typed) {
  Shape shape = parse(b, typed);
  const int64_t total = product(in.shape);
  for (Dim& dim : shape)
    if (dim.value == -1) {
      const int64_t others = -product(shape);
      if (total % others) does_not_fit(b, in, typed);
      dim = {total / others, in.batched() && &dim == &shape[0]};
    }
  const bool only_first = std::none_of(shape.begin() + (shape.empty() ? 0 : 1), shape.end(),
                                       [](const Dim& d) { return d.batched; });
  const bool batched = !shape.empty() && shape[0].batched;
  if (batched != in.batched() || !only_first)
    b.fail("E0232",
           "reshape of " + to_string(in.shape) + " into " + to_string(typed) +
               " mixes samples, of which replicas hold slices",
           in.batched() ? "dim 0 must be N or k*N, and N may stand nowhere else"
                        : "the input has no N");
  if (product(shape) != total) does_not_fit(b, in, typed);
  return shape;
}

std::vector<int> reshape(Builder& b, int value, const Shape& shape) {
  return b.add("reshape", {value}, {{"shape", to_attr(shape)}});
}

Kernel kernel(const char* device) {
  auto offer = [](const Signature& s, const DeviceTraits&) {
    const size_t bytes = size_t(s.out[0].elements()) * size_of(s.out[0].dtype);
    auto body = [bytes](const KernelArgs& a) {
      if (a.outputs[0] != a.inputs[0] && bytes) std::memcpy(a.outputs[0], a.inputs[0], bytes);
    };
    return std::optional(Offer{.impl = "braid:reshape",
                               .in_formats = {{}},
                               .out_formats = {{}},
                               .alias = 0,
                               .bind = [body] { return KernelBody(body); }});
  };
  return {"reshape", device, offer};
}

}  // namespace

void register_reshape(Registry& registry) {
  auto infer = [](const Dict& attrs, std::span<const Type> in) {
    return std::vector<Type>{{in[0].dtype, shape_of(*find(attrs, "shape"))}};
  };
  registry.add(OpDef{.name = "reshape", .infer = infer, .linear = true});
  for (const char* device : {"cpu", "reference"}) registry.add(kernel(device));
  registry.add(LayerDef{
      .name = "Reshape",
      .doc = "The same elements in the same order under another shape. Samples stay whole: dim 0 "
             "remains N or a multiple of it.",
      .formula = "y = x read in row-major order",
      .inputs = {{"input", "any type and shape"}},
      .params = {{.name = "shape",
                  .kind = ParamKind::any,
                  .doc = "sizes, for example [N, 16, -1]; one may be -1 and takes what is left"}},
      .forward =
          [](Builder& b, Call& c) {
            return reshape(b, c.in[0], target_shape(b, b.type(c.in[0]), *find(c.params, "shape")));
          },
      .gradient = [](Builder& b, const Call& c,
                     const std::vector<int>& g) { return reshape(b, g[0], b.type(c.in[0]).shape); },
      .samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}},
                   .params = {{"shape", Attr::List{"N", 7, -1}}}},
                  {.inputs = {{DType::f32, {N, 6}}},
                   .params = {{"shape", Attr::List{"2*N", 3}}},
                   .note = "each sample becomes two rows"},
                  {.inputs = {{DType::f32, {N, 1}}},
                   .params = {{"shape", Attr::List{-1}}},
                   .note = "one channel"}}});
}

}  // namespace braid
