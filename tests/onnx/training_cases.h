// The cases of ONNX that are about training: batch norm by the batch's statistics, optimizers,
// losses. No file of a network has those nodes, so they are put to Braid's own layers here.
#pragma once
#include "onnx/import_support.h"
#include "support/kernels.h"

namespace braid::test {

/// A case's node, its tensors and what is expected.
struct TrainingCase {
  onnx::ModelProto model;
  std::vector<Array> inputs = {}, outputs = {};

  TrainingCase(onnx::ModelProto given, const std::filesystem::path& set) : model(std::move(given)) {
    auto read = [&](const char* kind, int count, std::vector<Array>& to) {
      for (int k = 0; k < count; ++k) {
        onnx::TensorProto tensor;
        if (!tensor.ParseFromString(
                bytes_of_file(set / (kind + std::string("_") + std::to_string(k) + ".pb"))))
          throw std::runtime_error("no tensor");
        to.push_back(array_of(tensor));
      }
    };
    read("input", model.graph().input_size(), inputs);
    read("output", model.graph().output_size(), outputs);
  }

  const onnx::NodeProto& node() const { return model.graph().node(0); }
  const onnx::AttributeProto* attribute(const std::string& name) const {
    for (auto& each : node().attribute())
      if (each.name() == name) return &each;
    return nullptr;
  }
  double number(const std::string& name, double otherwise) const {
    auto* found = attribute(name);
    return found ? double(found->f()) : otherwise;
  }
  int64_t integer(const std::string& name, int64_t otherwise) const {
    auto* found = attribute(name);
    return found ? found->i() : otherwise;
  }
  std::string text(const std::string& name, const std::string& otherwise) const {
    auto* found = attribute(name);
    return found ? found->s() : otherwise;
  }
};

inline void expect_near(const Array& made, const Array& expected, const std::string& what) {
  const double off = distance(made, expected);
  if (!(off <= 2e-5))
    throw std::runtime_error(what + " is off by " + std::to_string(off) + ": " + to_string(made) +
                             " and " + to_string(expected));
}

// ---- optimizers: one step of the operation that the optimizer adds to a network -----------------

/// Runs `op` on a tensor, its gradient and its averages, which come back changed.
inline void optimize(const TrainingCase& c, const std::string& op, const Dict& attrs,
                     int64_t done) {
  const size_t averages = op == "adam" ? 2 : 1;
  const size_t tensors = (c.inputs.size() - 2) / (2 + averages);
  for (size_t t = 0; t < tensors; ++t) {
    // ONNX has all tensors, then all gradients, then the averages one kind after another.
    std::vector<Array> own;
    for (size_t k = 0; k < 2 + averages; ++k) own.push_back(c.inputs.at(2 + k * tensors + t));
    const Operand operand{DType::f32, own[0].dims};
    test::OpCall call(op, std::vector<Operand>(own.size(), operand), {}, attrs);
    call.scalars = {.lr = c.inputs[0].as<float>()[0], .step = done};
    std::vector<void*> in{own[0].bytes.data()};
    for (size_t k = 0; k < averages; ++k) in.push_back(own[2 + k].bytes.data());
    in.push_back(own[1].bytes.data());
    call.run(in, {});
    for (size_t k = 0; k < 1 + averages; ++k)
      expect_near(own[k ? k + 1 : 0], c.outputs.at(k * tensors + t), "tensor " + std::to_string(k));
  }
}

/// ONNX corrects averages that began at 0 from its step 1 on, as Braid does from its first one; its
/// step 0 corrects nothing, and neither does a step of Braid after so many that there is nothing
/// left to correct. ONNX adds epsilon before that correction.
inline bool adam(const TrainingCase& c) {
  const int64_t step = c.inputs[1].as<int64_t>()[0];
  const double beta2 = c.number("beta", 0.999);
  const double corrected = step > 0 ? std::sqrt(1 - std::pow(beta2, double(step))) : 1;
  if (c.number("norm_coefficient_post", 0) != 0) return false;  // shrinks what comes out
  // The numbers of one case were made with an epsilon that its file leaves out.
  const bool forgotten = c.model.graph().name() == "test_adam_multiple";
  const double eps = c.number("epsilon", forgotten ? 0.01 : 1e-6);
  optimize(c, "adam",
           {{"betas", Attr::List{c.number("alpha", 0.9), beta2}},
            {"eps", eps / corrected},
            {"weight_decay", c.number("norm_coefficient", 0)},
            {"lr_scale", 1.0}},
           step > 0 ? step - 1 : 1000000);
  return true;
}

/// beta, the share of the gradient, is 1 at ONNX's step 0; what the momentum keeps is alpha always,
/// which Braid's first step has nothing to keep of.
inline bool momentum(const TrainingCase& c) {
  const int64_t step = c.inputs[1].as<int64_t>()[0];
  const double beta = step > 0 ? c.number("beta", 1) : 1;
  const bool nesterov = c.text("mode", "") == "nesterov";
  if (beta > 1 || (nesterov && beta != 1)) return false;
  optimize(c, "sgd_momentum",
           {{"momentum", c.number("alpha", 0)},
            {"dampening", 1 - beta},
            {"weight_decay", c.number("norm_coefficient", 0)},
            {"nesterov", nesterov},
            {"lr_scale", 1.0}},
           1);
  return true;
}

// ---- batch norm ---------------------------------------------------------------------------------

/// The layer that import makes of the node in inference mode, in training. ONNX moves the running
/// variance by the biased one, which is an option of the layer: PyTorch's default is the other.
inline bool batch_norm(const TrainingCase& c) {
  onnx::ModelProto model = c.model;
  auto& graph = *model.mutable_graph();
  auto& node = *graph.mutable_node(0);
  for (auto& each : *node.mutable_attribute())
    if (each.name() == "training_mode") each.set_i(0);
  while (node.output_size() > 1) node.mutable_output()->RemoveLast();
  while (graph.output_size() > 1) graph.mutable_output()->RemoveLast();
  for (int k = 1; k < graph.input_size(); ++k) {
    onnx::TensorProto& weight = *graph.add_initializer();
    weight.set_name(graph.input(k).name());
    weight.set_data_type(onnx::TensorProto::FLOAT);
    auto& array = c.inputs[size_t(k)];
    for (int64_t d : array.dims) weight.add_dims(d);
    weight.set_raw_data(array.bytes.data(), array.bytes.size());
  }
  const Imported net = from_onnx_bytes(model.SerializeAsString(), builtin());
  Diagnostics found;
  Model made = read_text(net.text, "net.yaml", {}, found);
  found.raise();
  set(made.layers.at(0).params, "running_var", "biased");
  const std::string path = made.layers[0].path;
  Session session(std::move(made));
  session.set_weights(net.weights);
  const auto y = session.run({{net.inputs[0].second, c.inputs[0]}}, {},
                             {.mode = Mode::train, .write_state = true});
  expect_near(y.at(net.outputs[0].second), c.outputs[0], "y");
  expect_near(session.weights().at(path + ".running_mean"), c.outputs.at(1), "the running mean");
  expect_near(session.weights().at(path + ".running_var"), c.outputs.at(2), "the running variance");
  return true;
}

// ---- losses -------------------------------------------------------------------------------------

/// A network that does nothing but to add 0 to its input, with the loss.
inline bool cross_entropy(const TrainingCase& c) {
  if (c.text("reduction", "mean") != "mean") return false;
  Dict params{{"ignore_index", c.integer("ignore_index", -100)}};
  if (c.inputs.size() > 2) {
    Attr::List weight;
    for (float w : c.inputs[2].as<float>()) weight.push_back(double(w));
    set(params, "weight", weight);
  }
  Model model;
  for (auto* name : {"input", "target"}) {
    const Array& array = c.inputs[model.inputs.size()];
    Type type{array.dtype, {N}};
    for (size_t d = 1; d < array.dims.size(); ++d) type.shape.push_back(array.dims[d]);
    model.inputs.push_back({name, type});
  }
  model.layers.push_back({.path = "shift", .type = "Parameter", .params = {{"shape", 1}}});
  model.layers.push_back({.path = "moved",
                          .type = "Math",
                          .params = {{"expr", "x + s"}, {"inputs", Attr::List{"x", "s"}}},
                          .from = {Link::input(0), Link::layer(0)}});
  model.layers.push_back(
      {.path = "log_prob", .type = "LogSoftmax", .params = {{"dim", 1}}, .from = {Link::layer(1)}});
  model.losses.push_back({.name = "loss",
                          .type = "CrossEntropy",
                          .params = params,
                          .from = {Link::layer(1), Link::input(1)}});
  model.outputs.push_back({"log_prob", Link::layer(2)});
  model.optimizer = TypedDict{.type = "SGD", .params = {{"lr", 0.0}}};
  model.batch.global = c.inputs[0].dims[0];
  Session session(std::move(model));
  const std::map<std::string, Array> fed{{"input", c.inputs[0]}, {"target", c.inputs[1]}};
  Array loss = Array::zeros(DType::f32, {});
  loss.as<float>()[0] = float(session.step(fed).loss);
  expect_near(loss, c.outputs[0], "the loss");
  if (c.outputs.size() > 1)
    expect_near(session.run({{"input", c.inputs[0]}}).at("log_prob"), c.outputs[1], "log_prob");
  return true;
}

/// Throws where Braid differs. False = no case of training, or one that Braid has nothing for.
inline bool run_training_case(const onnx::ModelProto& model, const std::filesystem::path& set) {
  if (model.graph().node_size() != 1) return false;
  auto& op = model.graph().node(0).op_type();
  if (op == "Adam") return adam({model, set});
  if (op == "Momentum") return momentum({model, set});
  if (op == "SoftmaxCrossEntropyLoss") return cross_entropy({model, set});
  if (op != "BatchNormalization") return false;
  const bool training = std::ranges::any_of(model.graph().node(0).attribute(), [](auto& each) {
    return each.name() == "training_mode" && each.i();
  });
  return training && batch_norm({model, set});
}

}  // namespace braid::test
