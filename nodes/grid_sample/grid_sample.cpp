// GridSample: an image looked at from the places that a grid names.
#include "grid_sample/ops.h"
#include "ops/checks.h"

namespace braid {
namespace {

void check_inputs(Builder& b, const Call& call) {
  require_f32(b, call, 0);
  require_f32(b, call, 1);
  const Shape x = b.type(call.in[0]).shape, grid = b.type(call.in[1]).shape;
  if (x.size() != 4 && x.size() != 5)
    b.fail("E0201",
           "GridSample takes images [N, channels, height, width] or volumes [N, channels, depth, "
           "height, width], and its input is " +
               to_string(x));
  const std::string wanted = x.size() == 4 ? ", height, width, 2]" : ", depth, height, width, 3]";
  if (grid.size() != x.size() || grid[0] != x[0] || grid.back() != Dim(int64_t(x.size()) - 2))
    b.fail("E0203",
           "the grid is " + to_string(grid) + ", and the input " + to_string(x) +
               " needs one of [" + to_string(x[0]) + wanted,
           "a position for each cell of the result: x, y" +
               std::string(x.size() == 5 ? ", z" : "") + " from -1 to 1, for as many samples");
}

Dict attrs_of(const Call& call) {
  Dict attrs;
  for (const char* name : {"mode", "padding_mode", "align_corners"})
    set(attrs, name, *find(call.params, name));
  return attrs;
}

std::vector<int> forward(Builder& b, Call& call) {
  check_inputs(b, call);
  return b.add("grid_sample", call.in, attrs_of(call));
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  std::vector<int> gradients = {-1, -1};
  if (g[0] < 0) return gradients;
  const int x = call.in[0], grid = call.in[1];
  if (b.needs_gradient(x)) {
    Dict attrs = attrs_of(call);
    Attr::List size;
    for (size_t d = 2; d < b.type(x).rank(); ++d) size.push_back(b.type(x).shape[d].value);
    set(attrs, "input_size", size);
    gradients[0] = b.one("grid_sample_grad_input", {grid, g[0]}, attrs);
  }
  if (b.needs_gradient(grid))
    gradients[1] = b.one("grid_sample_grad_grid", {x, grid, g[0]}, attrs_of(call));
  return gradients;
}

std::vector<Sample> samples() {
  const Type image{DType::f32, {N, 3, 4, 5}}, grid{DType::f32, {N, 3, 2, 2}};
  return {{.inputs = {image, grid}, .note = "zeros outside"},
          {.inputs = {image, grid},
           .params = {{"padding_mode", "border"}, {"align_corners", true}},
           .note = "the border goes on outside"},
          {.inputs = {image, grid}, .params = {{"mode", "nearest"}}, .note = "the nearest cell"},
          {.inputs = {{DType::f32, {{2, true}, 2, 3, 2, 4}}, {DType::f32, {{2, true}, 2, 3, 1, 3}}},
           .note = "volumes, two for each sample"}};
}

std::vector<ParamDef> params() {
  return {{.name = "mode",
           .kind = ParamKind::choice,
           .doc = "bilinear mixes the cells around a position; nearest takes the nearest",
           .fallback = "bilinear",
           .choices = {"bilinear", "nearest"}},
          {.name = "padding_mode",
           .kind = ParamKind::choice,
           .doc = "what positions outside see: zeros, or the border",
           .fallback = "zeros",
           .choices = {"zeros", "border"}},
          {.name = "align_corners",
           .kind = ParamKind::boolean,
           .doc = "-1 and 1 are the centres of the corner cells; else their outer edges",
           .fallback = false}};
}

}  // namespace

void register_grid_sample(Registry& registry) {
  register_grid_sample_ops(registry);
  register_grid_sample_kernels(registry);
  register_grid_sample_reference(registry);
  registry.add(LayerDef{
      .name = "GridSample",
      .doc = "The input, looked at from the positions of a grid: [N, C, H, W] and a grid "
             "[N, H', W', 2] of positions (x, y) from -1 to 1 give [N, C, H', W']. Volumes "
             "[N, C, D, H, W] take a grid [N, D', H', W', 3] of positions (x, y, z).",
      .formula = "y[n, c, i, j] = sum over the cells around grid[n, i, j] of share * x[n, c, cell]",
      .source = "torch.nn.functional.grid_sample; Jaderberg et al., Spatial Transformer Networks, "
                "2015",
      .inputs = {{"input", "f32"}, {"grid", "f32, positions of as many samples"}},
      .params = params(),
      .forward = forward,
      .gradient = gradient,
      .samples = samples()});
}

}  // namespace braid
