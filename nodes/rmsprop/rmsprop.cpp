#include "rmsprop/rmsprop.h"

#include <braid/core/layer.h>

namespace braid {
namespace {

void update(Builder& b, const Dict& params, int weight, int gradient) {
  auto zeros = [&](const char* name) {
    return b.optimizer_state(weight, name, b.type(weight), Init::constant(0));
  };
  std::string op = "rmsprop";
  std::vector<int> operands = {weight, zeros("square_avg")};
  if (get_bool(params, "centered")) {
    op += "_centered";
    operands.push_back(zeros("grad_avg"));
  }
  if (get_double(params, "momentum") > 0) {
    op += "_momentum";
    operands.push_back(zeros("momentum_buffer"));
  }
  operands.push_back(gradient);
  b.add(op, operands, params);
}

ParamDef number(std::string name, std::string doc, Attr fallback = {}) {
  return {.name = std::move(name),
          .kind = ParamKind::number,
          .doc = std::move(doc),
          .fallback = std::move(fallback),
          .min = 0};
}

std::vector<ParamDef> params() {
  ParamDef alpha = number("alpha", "share of the last step that the average of d^2 keeps", 0.99);
  alpha.max = 1;
  return {number("lr", "learning rate, before the schedule; 0.01 is the usual one"),
          std::move(alpha),
          number("eps", "keeps the division away from 0", 1e-8),
          number("weight_decay", "times the weight is added to the gradient", 0.0),
          number("momentum", "share of the last step that is kept", 0.0),
          {.name = "centered",
           .kind = ParamKind::boolean,
           .doc = "divides by the deviation from the average of d",
           .fallback = false},
          number("lr_scale", "multiplies the learning rate", 1.0)};
}

LayerDef layer() {
  return {
      .name = "RMSprop",
      .role = Role::optimizer,
      .doc =
          "Steps divided by the root of an average of each squared gradient, as PyTorch's "
          "torch.optim.RMSprop. A centered average that rounding takes below 0 counts as 0.",
      .formula =
          "d = g + weight_decay * w\n"
          "v = alpha * v + (1 - alpha) * d^2\n"
          "by = d / (sqrt(v) + eps); centered: m = alpha * m + (1 - alpha) * d, and "
          "v - m^2 instead of v\n"
          "w = w - lr * lr_scale * by; with momentum: u = momentum * u + by instead of by",
      .source =
          "Tieleman and Hinton, Lecture 6.5 - RMSProp, 2012; centered: Graves, Generating "
          "Sequences With Recurrent Neural Networks, 2013",
      .inputs = {{"weight"}, {"gradient"}},
      .outputs = {},
      .params = params(),
      .update = update,
      .samples = {
          {.inputs = {{DType::f32, {3, 7, 5}}}, .params = {{"lr", 0.1}}},
          {.inputs = {{DType::f32, {17}}},
           .params = {{"lr", 0.1}, {"alpha", 0.5}, {"momentum", 0.9}, {"weight_decay", 0.1}},
           .note = "momentum and weight decay"},
          {.inputs = {{DType::f32, {33}}},
           .params = {{"lr", 0.1}, {"centered", true}, {"eps", 0.01}},
           .note = "centered"},
          {.inputs = {{DType::f32, {9}}},
           .params =
               {{"lr", 0.1}, {"centered", true}, {"alpha", 0.5}, {"momentum", 0.5}, {"eps", 0.1}},
           .note = "centered, with momentum"}}};
}

}  // namespace

void register_rmsprop(Registry& registry) {
  auto nothing = [](const Dict&, std::span<const Type>) { return std::vector<Type>{}; };
  registry.add(OpDef{.name = "rmsprop", .infer = nothing, .writes = {0, 1}});
  for (const char* op : {"rmsprop_centered", "rmsprop_momentum"})
    registry.add(OpDef{.name = op, .infer = nothing, .writes = {0, 1, 2}});
  registry.add(
      OpDef{.name = "rmsprop_centered_momentum", .infer = nothing, .writes = {0, 1, 2, 3}});
  register_rmsprop_kernels(registry);
  register_rmsprop_references(registry);
  registry.add(layer());
}

}  // namespace braid
