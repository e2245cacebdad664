#include "sgd/sgd.h"

#include <braid/core/layer.h>

namespace braid {
namespace {

void update(Builder& b, const Dict& params, int weight, int gradient) {
  const bool nesterov = get_bool(params, "nesterov");
  if (get_double(params, "momentum") == 0) {
    if (nesterov) b.fail("E0235", "nesterov needs a momentum above 0");
    b.add("sgd", {weight, gradient}, params);
    return;
  }
  if (nesterov && get_double(params, "dampening") != 0)
    b.fail("E0235", "nesterov and dampening exclude each other");
  int buffer = b.optimizer_state(weight, "momentum_buffer", b.type(weight), Init::constant(0));
  b.add("sgd_momentum", {weight, buffer, gradient}, params);
}

ParamDef number(std::string name, std::string doc, Attr fallback = {}) {
  return {.name = std::move(name),
          .kind = ParamKind::number,
          .doc = std::move(doc),
          .fallback = std::move(fallback),
          .min = 0};
}

LayerDef layer() {
  return {.name = "SGD",
          .role = Role::optimizer,
          .doc = "Stochastic gradient descent with momentum, as PyTorch's torch.optim.SGD.",
          .formula =
              "d = g + weight_decay * w\n"
              "v = d at the first step, then momentum * v + (1 - dampening) * d\n"
              "w = w - lr * lr_scale * (nesterov ? d + momentum * v : v)",
          .source =
              "Sutskever et al., On the importance of initialization and momentum in deep "
              "learning, 2013",
          .inputs = {{"weight"}, {"gradient"}},
          .outputs = {},
          .params = {number("lr", "learning rate, before the schedule"),
                     number("momentum", "share of the last step that is kept", 0.0),
                     number("dampening", "share of the gradient that momentum leaves out", 0.0),
                     number("weight_decay", "times the weight is added to the gradient", 0.0),
                     {.name = "nesterov",
                      .kind = ParamKind::boolean,
                      .doc = "looks ahead along the momentum",
                      .fallback = false},
                     number("lr_scale", "multiplies the learning rate", 1.0)},
          .update = update,
          .samples = {{.inputs = {{DType::f32, {3, 7, 5}}}, .params = {{"lr", 0.1}}},
                      {.inputs = {{DType::f32, {17}}},
                       .params = {{"lr", 0.1}, {"momentum", 0.9}, {"weight_decay", 0.01}},
                       .note = "momentum and weight decay"},
                      {.inputs = {{DType::f32, {1}}},
                       .params = {{"lr", 0.1}, {"momentum", 0.9}, {"nesterov", true}},
                       .note = "Nesterov"},
                      {.inputs = {{DType::f32, {33}}},
                       .params = {{"lr", 0.1}, {"momentum", 0.9}, {"dampening", 0.5}},
                       .note = "dampening"}}};
}

}  // namespace

void register_sgd(Registry& registry) {
  auto nothing = [](const Dict&, std::span<const Type>) { return std::vector<Type>{}; };
  registry.add(OpDef{.name = "sgd", .infer = nothing, .writes = {0}});
  registry.add(OpDef{.name = "sgd_momentum", .infer = nothing, .writes = {0, 1}});
  register_sgd_kernels(registry);
  register_sgd_references(registry);
  registry.add(layer());
}

}  // namespace braid
