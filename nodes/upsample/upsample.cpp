// Upsample: images resized, by repeating cells or by mixing neighbours.
#include <cmath>

#include "ops/checks.h"
#include "upsample/ops.h"

namespace braid {
namespace {

[[noreturn]] void bad_factor(Builder& b, const Attr& given) {
  b.fail("E0253", "scale_factor is " + to_string(given),
         "scale_factor is a number above 0, or a list of two");
}

// Cells of the result for each cell of the image.
std::vector<double> factors_of(Builder& b, const Attr& given) {
  Attr::List list = given.is<Attr::List>() ? given.as_list() : Attr::List{given, given};
  if (list.size() != 2) bad_factor(b, given);
  std::vector<double> factors;
  for (auto& factor : list) {
    if (!factor.is_number() || !(factor.as_double() > 0 && factor.as_double() < 1e6))
      bad_factor(b, given);
    factors.push_back(factor.as_double());
  }
  return factors;
}

// output_size, and the factor: it says where cells come from even when it does not come out even,
// and the result has floor(size * factor) of them. PyTorch does so.
void set_sizes(Builder& b, const Call& call, const Shape& x, Dict& attrs) {
  const Attr &size = *find(call.params, "size"), &factor = *find(call.params, "scale_factor");
  if (size.is_null() == factor.is_null())
    b.fail("E0252",
           size.is_null() ? "neither size nor scale_factor is given"
                          : "both size and scale_factor are given",
           "give one of them: scale_factor: 2, or size: [height, width]");
  if (factor.is_null()) {
    set(attrs, "output_size", size);
    return;
  }
  Attr::List result, each;
  auto factors = factors_of(b, factor);
  for (size_t d = 0; d < 2; ++d) {
    double cells = std::floor(double(x[2 + d].value) * factors[d]);
    if (cells < 1)
      b.fail("E0254",
             std::string("scale_factor ") + to_string(factor) + " leaves nothing of the " +
                 (d ? "width" : "height") + " of " + std::to_string(x[2 + d].value),
             "use a larger scale_factor");
    result.push_back(int64_t(cells));
    each.push_back(factors[d]);
  }
  set(attrs, "output_size", result);
  set(attrs, "factor", each);
}

std::vector<int> forward(Builder& b, Call& call) {
  require_f32(b, call, 0);
  const Shape x = b.type(call.in[0]).shape;
  if (x.size() != 4)
    b.fail("E0201",
           "Upsample takes images [N, channels, height, width], and its input is " + to_string(x));
  const Attr& mode = *find(call.params, "mode");
  bool align = get_bool(call.params, "align_corners");
  if (align && mode.as_text() == "nearest")
    b.fail("E0255", "align_corners has no meaning in mode nearest", "use mode: bilinear");
  Dict attrs = {
      {"mode", mode}, {"align_corners", align}, {"image_size", Attr::List{x[2].value, x[3].value}}};
  set_sizes(b, call, x, attrs);
  return b.add("upsample", {call.in[0]}, attrs);
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  const Graph& graph = b.graph();
  Dict attrs = graph.nodes[size_t(graph.values[size_t(call.out[0])].node)].attrs;
  return b.add("upsample_grad", {g[0]}, attrs);
}

std::vector<Sample> samples() {
  auto images = [](int64_t channels, int64_t height, int64_t width) {
    return std::vector<Type>{{DType::f32, {N, channels, height, width}}};
  };
  return {{.inputs = images(3, 4, 5), .params = {{"scale_factor", 2}}, .note = "cells repeated"},
          {.inputs = images(20, 3, 4),
           .params = {{"size", Attr::List{7, 3}}},
           .note = "taller and narrower; some cells are seen by none"},
          {.inputs = images(16, 4, 3),
           .params = {{"scale_factor", 2}, {"mode", "bilinear"}},
           .note = "neighbours mixed"},
          {.inputs = images(5, 5, 4),
           .params = {{"scale_factor", Attr::List{1.5, 2.3}}, {"mode", "bilinear"}},
           .note = "factors that do not come out even"},
          {.inputs = images(20, 3, 5),
           .params = {{"size", Attr::List{7, 4}}, {"mode", "bilinear"}, {"align_corners", true}},
           .note = "corners stay where they are"}};
}

std::vector<ParamDef> params() {
  return {{.name = "size",
           .kind = ParamKind::integers,
           .doc = "height and width of the result; or give scale_factor",
           .optional = true,
           .min = 1,
           .length = 2},
          {.name = "scale_factor",
           .kind = ParamKind::any,
           .doc = "cells of the result for each cell of the image: a number or a list of two",
           .optional = true},
          {.name = "mode",
           .kind = ParamKind::choice,
           .doc = "nearest repeats cells; bilinear mixes the four neighbours",
           .fallback = "nearest",
           .choices = {"nearest", "bilinear"}},
          {.name = "align_corners",
           .kind = ParamKind::boolean,
           .doc = "bilinear: the centres of the corner cells stay in the corners; else their edges",
           .fallback = false}};
}

}  // namespace

void register_upsample(Registry& registry) {
  register_upsample_ops(registry);
  register_upsample_kernels(registry);
  register_upsample_reference(registry);
  registry.add(LayerDef{
      .name = "Upsample",
      .doc = "Images resized to `size`, or by `scale_factor`: [N, C, H, W] gives [N, C, H', W'] "
             "with H' = floor(H scale_factor).",
      .formula = "nearest: y[i] = x[floor(i s)]; bilinear: y[i] = (1 - t) x[k] + t x[k + 1], k + t "
                 "= max(0, (i + 1/2) s - 1/2), or i (H - 1) / (H' - 1) with align_corners; along "
                 "both axes, s = 1 / scale_factor or H / H'",
      .source = "torch.nn.Upsample",
      .inputs = {{"input"}},
      .params = params(),
      .forward = forward,
      .gradient = gradient,
      .samples = samples()});
}

}  // namespace braid
