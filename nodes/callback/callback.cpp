// Callback: a function of the program that runs the network. Without `ports` it watches, and adds
// no operation. With them it computes: its operations have an effect and no kernel, and the
// compiler makes hooks of them (compiler/src/hooks.cpp).
#include <braid/core/registry.h>

#include "callback/ports.h"
#include "ops/shape_attr.h"

namespace braid {

void register_callback(Registry& registry);

namespace {

std::vector<Type> declared_types(const Dict& attrs, std::span<const Type>) {
  std::vector<Type> types;
  for (auto& port : callback_ports("callback", attrs).out) types.push_back(*port.type);
  return types;
}

bool has_gradient(const Type& type) { return type.dtype == DType::f32; }

// A gradient for each of the first `inputs` that can have one.
std::vector<Type> gradient_types(const Dict& attrs, std::span<const Type> in) {
  std::vector<Type> types;
  for (auto& type : in.first(size_t(get_int(attrs, "inputs"))))
    if (has_gradient(type)) types.push_back(type);
  return types;
}

// No registry knows these two: they have no kernels.
const OpDef& compute() {
  static const OpDef op{.name = "callback", .infer = declared_types, .effect = true};
  return op;
}

// Of the gradient of an input without N each replica makes a part.
const OpDef& differentiate() {
  static const OpDef op{
      .name = "callback_gradient", .infer = gradient_types, .merge = "sum", .effect = true};
  return op;
}

Ports ports_of(const std::string& who, const Dict& params) {
  Ports ports;
  auto declared = callback_ports(who, params);
  for (auto& port : declared.in) ports.inputs.push_back({port.name});
  for (auto& port : declared.out) ports.outputs.push_back({port.name});
  return ports;
}

void check_inputs(const Builder& b, const Call& c, const CallbackPorts& ports) {
  bool batched = false;
  for (size_t i = 0; i < c.in.size(); ++i) {
    auto& port = ports.in[i];
    const Type type = b.type(c.in[i]);
    batched |= type.batched();
    if (port.type && !(*port.type == type))
      throw Error(Fault::model, "E0203",
                  "layer '" + c.path + "': the input '" + port.name + "' is " + to_string(type) +
                      ", and `ports` say " + to_string(*port.type),
                  port.mark);
  }
  if (!batched)
    b.fail("E0246", "none of its inputs has N: what it makes of a batch follows from one",
           "give it an input of the batch besides");
}

std::vector<int> forward(Builder& b, Call& c) {
  auto ports = callback_ports("layer '" + c.path + "'", c.params);
  if (!ports.own) return c.in;
  check_inputs(b, c, ports);
  Attr::List names;
  for (auto* side : {&ports.out, &ports.in})
    for (auto& port : *side) names.push_back(port.name);
  return b.add(compute(), c.in,
               {{"call", get_text(c.params, "call")},
                {"ports", *find(c.params, "ports")},
                {"names", std::move(names)}});
}

// It sees inputs, outputs and the gradients of outputs: zeros where none arrived.
std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>& g) {
  auto ports = callback_ports(c.path, c.params);
  if (!ports.own) return g;
  const Attr& name = *find(c.params, "backward");
  if (name.is_null())
    b.fail("E0245",
           "Callback '" + get_text(c.params, "call") +
               "' has no gradient, and what stands before it is to be trained",
           "name the function for it, backward: name; or freeze the layers before it");
  auto in = c.in;
  in.insert(in.end(), c.out.begin(), c.out.end());
  std::vector<int> back(c.in.size(), -1);
  Attr::List names;
  for (size_t i = 0; i < c.in.size(); ++i)
    if (has_gradient(b.type(c.in[i]))) names.push_back("grad:" + ports.in[i].name);
  for (auto* side : {&ports.in, &ports.out})
    for (auto& port : *side) names.push_back(port.name);
  for (size_t i = 0; i < g.size(); ++i) {
    const Type type = b.type(c.out[i]);
    if (!has_gradient(type)) continue;
    names.push_back("grad:" + ports.out[i].name);
    in.push_back(g[i] >= 0
                     ? g[i]
                     : b.one("full", {c.out[i]}, {{"shape", to_attr(type.shape)}, {"value", 0.0}}));
  }
  auto made = b.add(
      differentiate(), in,
      {{"call", name.as_text()}, {"inputs", int64_t(c.in.size())}, {"names", std::move(names)}});
  size_t next = 0;
  for (size_t i = 0; i < c.in.size(); ++i)
    if (has_gradient(b.type(c.in[i]))) back[i] = made.at(next++);
  return back;
}

}  // namespace

void register_callback(Registry& registry) {
  registry.add(LayerDef{
      .name = "Callback",
      .doc =
          "A function of the program that runs the network, which binds it by name. Without "
          "`ports` it is shown the input, which is passed on. With `ports` it computes: {in: [x, "
          "gate], out: {y: [N, 10], mask: {shape: [N], dtype: i64}}} names what `from` maps and "
          "what `name.mask` means to other layers; `in: {x: [N, 4]}` checks types besides.",
      .formula = "y = x, or what the function makes of it",
      .inputs = {{"input", "any type and shape; with `ports`, those of `in`"}},
      .outputs = {{"output", "with `ports`, those of `out`"}},
      .params = {{.name = "call",
                  .kind = ParamKind::text,
                  .doc = "the name; in C++: hooks.bind(name, function)"},
                 {.name = "ports",
                  .kind = ParamKind::any,
                  .doc = "its inputs and outputs; none = it watches",
                  .optional = true},
                 {.name = "backward",
                  .kind = ParamKind::text,
                  .doc = "the name of the function that makes gradients of inputs from those of "
                         "outputs; none = nothing before it can be trained through it",
                  .optional = true}},
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}}, .params = {{"call", "watch"}}}},
      .ports = ports_of});
}

}  // namespace braid
