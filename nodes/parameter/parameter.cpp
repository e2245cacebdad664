// Parameter: a tensor that is learned, without an input.
#include <braid/core/registry.h>

#include "ops/shape_attr.h"

namespace braid {
namespace {

// A value of its own, so that the layer has one to name.
std::vector<int> forward(Builder& b, Call& call) {
  Shape shape;
  for (int64_t size : get_ints(call.params, "shape")) shape.push_back(size);
  call.saved["weight"] = b.param("weight", shape, Init::constant(0));
  return b.add("reshape", {call.saved["weight"]}, {{"shape", to_attr(shape)}});
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  b.add_gradient(call.saved.at("weight"), g[0]);
  return {};
}

}  // namespace

void register_parameter(Registry& registry) {
  registry.add(LayerDef{
      .name = "Parameter",
      .doc = "A tensor that is learned: a positional embedding, a token, a scale. It takes no "
             "input, has no N and broadcasts. It begins at 0 where `init` says nothing else.",
      .formula = "y = weight",
      .source = "torch.nn.Parameter",
      .inputs = {},
      .params = {{.name = "shape",
                  .kind = ParamKind::integers,
                  .doc = "its sizes, for example [1, 256, 128]",
                  .min = 1}},
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {}, .params = {{"shape", Attr::List{1, 5, 3}}}},
                  {.inputs = {}, .params = {{"shape", 7}}, .note = "a vector"}}});
}

}  // namespace braid
