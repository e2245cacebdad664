#include "adam/adam.h"

#include <braid/core/layer.h>

namespace braid {
namespace {

void update(Builder& b, const Dict& params, int weight, int gradient) {
  auto zeros = [&](const char* name) {
    return b.optimizer_state(weight, name, b.type(weight), Init::constant(0));
  };
  const int m = zeros("exp_avg"), v = zeros("exp_avg_sq");
  if (get_bool(params, "amsgrad"))
    b.add("adam_amsgrad", {weight, m, v, zeros("max_exp_avg_sq"), gradient}, params);
  else
    b.add("adam", {weight, m, v, gradient}, params);
}

ParamDef number(std::string name, std::string doc, Attr fallback = {}) {
  return {.name = std::move(name),
          .kind = ParamKind::number,
          .doc = std::move(doc),
          .fallback = std::move(fallback),
          .min = 0};
}

void update_decoupled(Builder& b, const Dict& params, int weight, int gradient) {
  Dict attrs = params;
  set(attrs, "decoupled", true);
  update(b, attrs, weight, gradient);
}

ParamDef weight_decay(std::string doc, double fallback) {
  return number("weight_decay", std::move(doc), fallback);
}

std::vector<ParamDef> params(ParamDef decay) {
  return {number("lr", "learning rate, before the schedule; 0.001 is the usual one"),
          {.name = "betas",
           .kind = ParamKind::numbers,
           .doc = "share of the last step that the averages of d and d^2 keep",
           .fallback = Attr::List{0.9, 0.999},
           .min = 0,
           .max = 1,
           .max_exclusive = true,
           .length = 2},
          number("eps", "keeps the division away from 0", 1e-8),
          std::move(decay),
          {.name = "amsgrad",
           .kind = ParamKind::boolean,
           .doc = "divides by the largest average of d^2 so far",
           .fallback = false},
          number("lr_scale", "multiplies the learning rate", 1.0)};
}

std::vector<Sample> samples() {
  return {{.inputs = {{DType::f32, {3, 7, 5}}}, .params = {{"lr", 0.1}}},
          {.inputs = {{DType::f32, {17}}},
           .params = {{"lr", 0.1}, {"betas", Attr::List{0.5, 0.9}}, {"weight_decay", 0.1}},
           .note = "short averages and weight decay"},
          {.inputs = {{DType::f32, {1}}},
           .params = {{"lr", 0.1}, {"betas", Attr::List{0, 0.25}}, {"eps", 0.5}},
           .note = "no average of gradients"},
          {.inputs = {{DType::f32, {33}}},
           .params = {{"lr", 0.1}, {"amsgrad", true}, {"betas", Attr::List{0.9, 0.5}}},
           .note = "AMSGrad"}};
}

LayerDef layer() {
  return {.name = "Adam",
          .role = Role::optimizer,
          .doc =
              "Steps scaled by averages of each gradient and its square, as PyTorch's "
              "torch.optim.Adam. Weight decay is added to the gradient (L2).",
          .formula =
              "d = g + weight_decay * w\n"
              "m = beta1 * m + (1 - beta1) * d\n"
              "v = beta2 * v + (1 - beta2) * d^2\n"
              "w = w - lr * lr_scale * m / (1 - beta1^t)"
              " / (sqrt(v / (1 - beta2^t)) + eps), t = 1 at the first step;\n"
              "amsgrad: the largest v so far instead of v",
          .source =
              "Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015; AMSGrad: "
              "Reddi et al., On the Convergence of Adam and Beyond, 2018",
          .inputs = {{"weight"}, {"gradient"}},
          .outputs = {},
          .params = params(weight_decay("times the weight is added to the gradient", 0.0)),
          .update = update,
          .samples = samples()};
}

LayerDef decoupled_layer() {
  LayerDef def = layer();
  def.name = "AdamW";
  def.doc =
      "Adam whose weight decay shrinks the weight itself and leaves the averages alone, as "
      "PyTorch's torch.optim.AdamW.";
  def.formula =
      "w = w - lr * lr_scale * weight_decay * w, then Adam's step without decay:\n"
      "m = beta1 * m + (1 - beta1) * g\n"
      "v = beta2 * v + (1 - beta2) * g^2\n"
      "w = w - lr * lr_scale * m / (1 - beta1^t)"
      " / (sqrt(v / (1 - beta2^t)) + eps), t = 1 at the first step;\n"
      "amsgrad: the largest v so far instead of v";
  def.source = "Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019";
  def.params = params(weight_decay("times the rate is the share that a step takes off", 0.01));
  def.update = update_decoupled;
  return def;
}

}  // namespace

void register_adam(Registry& registry) {
  auto nothing = [](const Dict&, std::span<const Type>) { return std::vector<Type>{}; };
  registry.add(OpDef{.name = "adam", .infer = nothing, .writes = {0, 1, 2}});
  registry.add(OpDef{.name = "adam_amsgrad", .infer = nothing, .writes = {0, 1, 2, 3}});
  register_adam_kernels(registry);
  register_adam_references(registry);
  registry.add(layer());
  registry.add(decoupled_layer());
}

}  // namespace braid
