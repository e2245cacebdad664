// The interpreter judges compiler and runtime: what a Session makes of a model must be, bit for
// bit, what the interpreter makes of the same logical graph, node by node, replica by replica. The
// two share no code above the kernels.
#include "conformance/conformance.h"
#include "support/kernels.h"
#include "support/models.h"

namespace braid::test {
namespace {

Graph logical_graph(const Model& model, Mode mode, std::vector<std::string> wanted = {}) {
  Diagnostics found;
  Graph graph = build(model, builtin(),
                      {.mode = mode, .replicas = int(model.replicas), .wanted = wanted}, found);
  found.raise();
  return graph;
}

Numbers numbers_of(const Array& array) {
  auto all = [](auto span) { return Numbers(span.begin(), span.end()); };
  if (array.dtype == DType::f32) return all(array.as<float>());
  if (array.dtype == DType::f64) return all(array.as<double>());
  if (size_of(array.dtype) == 1) {  // u8, bool
    Numbers numbers;
    for (std::byte b : array.bytes) numbers.push_back(double(b));
    return numbers;
  }
  return all(array.as<int64_t>());
}

std::map<std::string, Array> draw_arrays(const Model& model, int64_t batch, int64_t classes) {
  std::map<std::string, Array> drawn;
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    auto& input = model.inputs[i];
    Array array = Array::zeros(input.type.dtype, input.type.dims(batch));
    Numbers numbers = draw(input.type, batch, classes, i + 100);
    for (size_t k = 0; k < numbers.size(); ++k)
      if (input.type.dtype == DType::f32)
        array.as<float>()[k] = float(numbers[k]);
      else if (size_of(input.type.dtype) == 1)
        array.bytes[k] = std::byte(numbers[k]);
      else
        array.as<int64_t>()[k] = int64_t(numbers[k]);
    drawn[input.name] = std::move(array);
  }
  return drawn;
}

void give(Interpreter& run, const Graph& graph, const std::map<std::string, Array>& arrays) {
  run.start();
  for (size_t v = 0; v < graph.values.size(); ++v)
    if (int index = graph.values[v].input; index >= 0)
      run.set(int(v), numbers_of(arrays.at(graph.inputs[size_t(index)].name)));
}

// ---- every layer, forward
// ------------------------------------------------------------------------

/// One layer between the inputs of its sample and an output.
Model model_of(const Case& c, int replicas) {
  Model model{.name = "one", .replicas = replicas, .seed = 11};
  LayerItem item{.path = "it", .type = c.def->name, .params = c.sample().params};
  for (auto& type : c.sample().inputs) {
    item.from.push_back(Link::input(int(model.inputs.size())));
    model.inputs.push_back({"input" + std::to_string(model.inputs.size()), type});
  }
  // What has no N still runs over a batch of some size.
  if (std::ranges::none_of(c.sample().inputs, &Type::batched))
    model.inputs.push_back({"batch", {DType::f32, {N}}});
  item.freeze = c.freeze;
  model.layers = {item};
  model.outputs = {{"out", Link::layer(0)}};
  return model;
}

class Compiled : public ::testing::TestWithParam<Case> {};

TEST_P(Compiled, GivesTheInterpretersBits) {
  const Case& c = GetParam();
  for (int replicas : {1, 2, 4}) {
    Model model = model_of(c, replicas);
    auto arrays = draw_arrays(model, 5, c.sample().classes);
    if (c.sample().positive)
      for (auto& [name, array] : arrays)
        for (float& number : array.as<float>()) number = std::abs(number) + 0.25f;
    Graph graph = logical_graph(model, Mode::eval);
    Interpreter judge(graph, builtin(), {.batch = 5, .replicas = replicas});
    give(judge, graph, arrays);
    judge.run();
    Hooks hooks;
    if (const Attr* name = find(c.sample().params, "call"))
      hooks.bind(name->as_text(), [](const HookVisit&) {});
    Session session(model, {.engine = "serial", .hooks = hooks});
    auto made = session.run(arrays, {"out"});
    EXPECT_EQ(difference(numbers_of(made.at("out")), judge.get(graph.results.at(0).value), 0), "")
        << replicas << " replicas";
  }
}

std::string name_of(const ::testing::TestParamInfo<Case>& info) { return info.param.name(); }

INSTANTIATE_TEST_SUITE_P(Layers, Compiled, ::testing::ValuesIn(cases(builtin(), {Role::layer})),
                         name_of);

// ---- whole training steps
// ------------------------------------------------------------------------

struct Trained {
  double sum, count;
  Outcome state;  ///< after one step, by key
};

Trained interpreted(const Model& model, int64_t batch, const std::string& device = "cpu") {
  Graph graph = logical_graph(model, Mode::train);
  Interpreter run(graph, builtin(),
                  {.device = device,
                   .batch = batch,
                   .replicas = int(model.replicas),
                   .scalars = {.lr = 0.1, .step = 0, .seed = model.seed}});
  give(run, graph, draw_arrays(model, batch, 10));
  run.run();
  auto loss = run.get(graph.results.at(0).value);
  Trained made{loss.at(0), loss.at(1), {}};
  for (size_t i = 0; i < graph.states.size(); ++i)
    made.state[graph.states[i].key] = run.get(graph.state_values[i]);
  return made;
}

Trained executed(const Model& model, int64_t batch, SessionOptions options) {
  Session session(model, std::move(options));
  auto arrays = draw_arrays(model, batch, 10);
  std::vector<const void*> inputs;
  for (auto& input : model.inputs) inputs.push_back(arrays.at(input.name).bytes.data());
  session.step(inputs, batch, 0.1);
  const auto loss = session.executor(Mode::train, batch).totals(0);
  Trained made{loss[0], loss[1], {}};
  for (auto& [key, array] : session.state().all()) made.state[key] = numbers_of(array);
  return made;
}

void expect_equal(const Trained& made, const Trained& judge) {
  EXPECT_EQ(made.sum, judge.sum);
  EXPECT_EQ(made.count, judge.count);
  EXPECT_EQ(made.state.size(), judge.state.size());
  EXPECT_EQ(difference(made.state, judge.state, 0), "");
}

TEST(Oracle, AnMlpTrainsAsTheInterpreterSays) {
  for (int64_t replicas : {1, 2, 3, 4, 7})
    for (int64_t batch : {11, 5}) {
      SCOPED_TRACE(std::to_string(replicas) + " replicas, batch " + std::to_string(batch));
      Model model = test::mlp(replicas);
      auto judge = interpreted(model, batch);
      expect_equal(executed(model, batch, {.engine = "serial", .disabled = {"fuse"}}), judge);
      expect_equal(executed(model, batch, {.threads = 2, .disabled = {"fuse"}}), judge);
    }
}

TEST(Oracle, SyncGroupsMergeWhatTheInterpreterMerges) {
  for (int group : {1, 2}) {
    SCOPED_TRACE("groups of " + std::to_string(group));
    Model model = test::mlp(4, group);
    expect_equal(executed(model, 11, {.engine = "serial", .disabled = {"fuse"}}),
                 interpreted(model, 11));
  }
}

TEST(Oracle, AConvolutionalNetworkTrainsAsTheInterpreterSays) {
  for (int64_t replicas : {1, 3, 4}) {
    SCOPED_TRACE(std::to_string(replicas) + " replicas");
    Model model = test::convnet(replicas);
    expect_equal(executed(model, 10, {.devices = {"cpu"}, .disabled = {"fuse"}}),
                 interpreted(model, 10));
  }
}

TEST(Oracle, AttentionTrainsAsTheInterpreterSays) {
  for (int64_t replicas : {1, 3, 4}) {
    SCOPED_TRACE(std::to_string(replicas) + " replicas");
    Model model = test::attention(replicas);
    auto judge = interpreted(model, 10);
    expect_equal(executed(model, 10, {.engine = "serial"}), judge);
    expect_equal(executed(model, 10, {.devices = {"cpu"}, .threads = 2}), judge);
    for (auto& [key, numbers] : interpreted(model, 10, "reference").state)
      EXPECT_EQ(difference(judge.state.at(key), numbers, 1e-4), "") << key;
  }
}

// Gradients of micro-batches add up, those of parameters too that are sliced and put together.
TEST(Oracle, AttentionTrainsOverMicroBatches) {
  Model whole = test::attention(2), parts = test::attention(2);
  for (Model* model : {&whole, &parts})
    for (auto& item : model->layers)
      if (item.type == "MultiheadAttention") set(item.params, "dropout", 0.0);
  parts.batch.accumulate = 3;
  for (int64_t batch : {12, 2}) {  // of the latter, micro-batches have a sample, a sample and none
    auto judge = executed(whole, batch, {});
    EXPECT_EQ(difference(executed(parts, batch, {}).state, judge.state, 1e-5), "") << batch;
  }
}

// Fusing changes roundings; the f64 interpreter says how far they may go.
TEST(Oracle, FusedStepsStayCloseToTheReference) {
  for (const Model& model : {test::mlp(3), test::convnet(3)}) {
    auto judge = interpreted(model, 11, "reference");
    EXPECT_EQ(difference(executed(model, 11, {}).state, judge.state, 1e-4), "");
    auto in_f64 = executed(model, 11, {.engine = "reference"});
    EXPECT_EQ(difference(in_f64.state, judge.state, 1e-6), "");
  }
}

}  // namespace
}  // namespace braid::test
