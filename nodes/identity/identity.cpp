#include <braid/core/registry.h>

namespace braid {

void register_identity(Registry& registry);

// It adds no operation: its output is its input.
void register_identity(Registry& registry) {
  registry.add(
      LayerDef{.name = "Identity",
               .doc = "Passes its input on: a place holder, or a name for a value.",
               .formula = "y = x",
               .inputs = {{"input", "any type and shape"}},
               .forward = [](Builder&, Call& c) { return c.in; },
               .gradient = [](Builder&, const Call&, const std::vector<int>& g) { return g; },
               .samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}}}}});
}

}  // namespace braid
