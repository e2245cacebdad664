#include <braid/core/registry.h>

namespace braid {

void register_identity(Registry& registry);

// They add no operation: their output is their input.
void register_identity(Registry& registry) {
  registry.add(
      LayerDef{.name = "Identity",
               .doc = "Passes its input on: a place holder, or a name for a value.",
               .formula = "y = x",
               .inputs = {{"input", "any type and shape"}},
               .forward = [](Builder&, Call& c) { return c.in; },
               .gradient = [](Builder&, const Call&, const std::vector<int>& g) { return g; },
               .samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}}}}});
  registry.add(LayerDef{
      .name = "Callback",
      .doc = "Shows its input to a function of the program that runs the network, which "
             "binds it by name, and passes it on.",
      .formula = "y = x",
      .inputs = {{"input", "any type and shape"}},
      .params = {{.name = "call",
                  .kind = ParamKind::text,
                  .doc = "the name; in C++: hooks.bind(name, function)"}},
      .forward = [](Builder&, Call& c) { return c.in; },
      .gradient = [](Builder&, const Call&, const std::vector<int>& g) { return g; },
      .samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}}, .params = {{"call", "watch"}}}}});
}

}  // namespace braid
