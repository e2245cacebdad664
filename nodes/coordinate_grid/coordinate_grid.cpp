// CoordinateGrid: where each cell of an image stands.
#include "coordinate_grid/ops.h"

#include <braid/core/error.h>

namespace braid {
namespace {

std::vector<Type> grid_type(const Dict& attrs, std::span<const Type>) {
  Shape shape;
  for (int64_t cells : get_ints(attrs, "size")) shape.push_back(cells);
  shape.push_back(int64_t(shape.size()));
  return {{DType::f32, shape}};
}

KernelBody make(const Signature& s) {
  return [size = get_ints(s.attrs, "size"),
          cells = s.out[0].elements() / s.out[0].dims.back()](const KernelArgs& a) {
    float* y = a.out<float>(0);
    for (int64_t i = 0; i < cells; ++i) {
      int64_t rest = i;
      for (size_t d = size.size(); d-- > 0; rest /= size[d])
        *y++ = float(coordinate(rest % size[d], size[d]));
    }
  };
}

std::vector<int> forward(Builder& b, Call& call) {
  const Shape& x = b.type(call.in[0]).shape;
  if (x.size() != 4 && x.size() != 5)
    b.fail("E0201",
           "CoordinateGrid takes the sizes of images [N, channels, height, width] or [N, channels, "
           "depth, height, width], and its input is " +
               to_string(x));
  Attr::List size;
  for (size_t d = 2; d < x.size(); ++d) size.push_back(x[d].value);
  return b.add("coordinate_grid", {}, {{"size", size}});
}

}  // namespace

void register_coordinate_grid(Registry& registry) {
  registry.add(OpDef{.name = "coordinate_grid", .infer = grid_type});
  registry.add(plain_kernel("coordinate_grid", "cpu", make));
  register_coordinate_grid_reference(registry);
  registry.add(LayerDef{
      .name = "CoordinateGrid",
      .doc = "Where each cell of an image stands: from [N, C, H, W] only H and W are taken, and "
             "the result is [H, W, 2], from [N, C, D, H, W] it is [D, H, W, 3]. Coordinates go "
             "from -1 at the first cell to 1 at the last, in the order x, y, z. The same for all "
             "samples and replicas.",
      .formula = "y[i, j] = (2 j / (W - 1) - 1, 2 i / (H - 1) - 1)",
      .source = "Siarohin et al., First Order Motion Model for Image Animation, 2019",
      .inputs = {{"input", "whose sizes count; its values do not"}},
      .forward = forward,
      .gradient = [](Builder&, const Call&,
                     const std::vector<int>&) { return std::vector<int>{-1}; },
      .samples = {{.inputs = {{DType::f32, {N, 2, 3, 4}}}},
                  {.inputs = {{DType::f32, {N, 1, 2, 1, 3}}},
                   .note = "three dimensions, one of a single cell"}}});
}

}  // namespace braid
