// BatchNorm1d, 2d and 3d as layers: what they refuse, which variables they own, and which
// operations they add in each mode.
#include <algorithm>

#include "conformance/layer_graph.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

const Type row{DType::f32, {N, 6}}, image{DType::f32, {N, 6, 7, 5}};

LayerGraph graph_of(const std::string& layer, const Type& x, Dict params = {},
                    Mode mode = Mode::train, Freeze freeze = Freeze::none) {
  return {builtin(), *builtin().layer(layer), {.inputs = {x}, .params = params}, mode, freeze};
}

const Node* the(const LayerGraph& g, const std::string& op) {
  for (auto& node : g->nodes)
    if (node.op->name == op) return &node;
  return nullptr;
}

int64_t count_ops(const LayerGraph& g, const std::string& op) {
  return std::ranges::count_if(g->nodes, [&](auto& node) { return node.op->name == op; });
}

std::string refusal(const std::string& layer, const Type& x, Dict params = {},
                    Freeze freeze = Freeze::none) {
  try {
    graph_of(layer, x, params, Mode::train, freeze);
    return "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::model);
    auto& d = e.diagnostics()[0];
    return d.code + " " + d.message + " | " + d.helps;
  }
}

TEST(BatchNormLayer, NamesTheLayerThatTakesTheInput) {
  EXPECT_EQ(refusal("BatchNorm2d", row),
            "E0201 layer 'it': BatchNorm2d takes (N, C, H, W) and was given [N, 6] | inputs of 2 "
            "dimensions go to BatchNorm1d");
  EXPECT_EQ(refusal("BatchNorm1d", image),
            "E0201 layer 'it': BatchNorm1d takes (N, C) or (N, C, L) and was given [N, 6, 7, 5] | "
            "inputs of 4 dimensions go to BatchNorm2d");
  EXPECT_NE(refusal("BatchNorm3d", image).find("BatchNorm2d"), std::string::npos);
  EXPECT_NE(refusal("BatchNorm1d", {DType::f32, {N}}).find("2 to 5"), std::string::npos);
}

TEST(BatchNormLayer, NamesBothNumbersWhenChannelsDisagree) {
  EXPECT_EQ(refusal("BatchNorm2d", image, {{"num_features", 20}}),
            "E0202 layer 'it': num_features is 20, but the input has 6 channels: [N, 6, 7, 5] | "
            "num_features: 6, or leave it out: it follows from the input");
  EXPECT_EQ(refusal("BatchNorm2d", image, {{"num_features", 6}}), "accepted");
}

TEST(BatchNormLayer, RefusesWhatHasNoMeaning) {
  EXPECT_EQ(refusal("BatchNorm1d", {DType::i64, {N, 6}}).substr(0, 5), "E0230");
  EXPECT_EQ(refusal("BatchNorm1d", row, {{"eps", 0}}).substr(0, 5), "E0107");
  EXPECT_EQ(refusal("BatchNorm1d", row, {{"momentum", 1.5}}).substr(0, 5), "E0107");
  EXPECT_EQ(refusal("BatchNorm1d", row, {{"eps_mode", "add"}}).substr(0, 5), "E0105");
  EXPECT_NE(refusal("BatchNorm1d", row, {{"track_running_stats", false}}, Freeze::stats)
                .find("cannot be frozen"),
            std::string::npos);
}

TEST(BatchNormLayer, OwnsPyTorchsVariables) {
  auto g = graph_of("BatchNorm2d", image);
  std::vector<std::string> states;
  for (auto& s : g->states) states.push_back(s.key + " " + to_string(s.type));
  EXPECT_EQ(states, (std::vector<std::string>{"it.weight f32 [6]", "it.bias f32 [6]",
                                              "it.running_mean f32 [6]", "it.running_var f32 [6]",
                                              "it.num_batches_tracked i64 []"}));
  EXPECT_EQ(graph_of("BatchNorm2d", image, {{"affine", false}})->states.size(), 3u);
  EXPECT_EQ(graph_of("BatchNorm2d", image, {{"track_running_stats", false}})->states.size(), 2u);
}

TEST(BatchNormLayer, SynchronizesOnceForwardAndOnceBackward) {
  auto g = graph_of("BatchNorm2d", image);
  int64_t partial = 0;
  for (auto& v : g->values) partial += v.layout.kind == Layout::Kind::partial;
  EXPECT_EQ(partial, 2);  // moments, and (sum g, sum g·x̂) for dx, dweight and dbias together
  EXPECT_EQ(count_ops(g, "bn_reduce"), 1);
  EXPECT_EQ(count_ops(g, "bn_row"), 2);
  EXPECT_EQ(the(g, "bn_dx")->in.size(), 6u);
  EXPECT_EQ(the(g, "bn_running")->wants[0], Layout::copy());
}

TEST(BatchNormLayer, WithoutParametersStillHasOneEdgeForDx) {
  auto g = graph_of("BatchNorm1d", row, {{"affine", false}});
  EXPECT_EQ(count_ops(g, "bn_reduce"), 1);
  EXPECT_EQ(count_ops(g, "bn_row"), 0);
  EXPECT_EQ(the(g, "bn_dx")->in.size(), 4u);
}

TEST(BatchNormLayer, InEvalTouchesNoStatisticsAndNoNeighbour) {
  auto g = graph_of("BatchNorm2d", image, {}, Mode::eval);
  ASSERT_EQ(g->nodes.size(), 1u);
  EXPECT_EQ(g->nodes[0].op->name, "normalize_eval");
}

TEST(BatchNormLayer, WithoutRunningStatisticsEvalUsesTheBatch) {
  auto g = graph_of("BatchNorm2d", image, {{"track_running_stats", false}}, Mode::eval);
  EXPECT_EQ(count_ops(g, "moments"), 1);
  EXPECT_EQ(count_ops(g, "normalize"), 1);
}

TEST(BatchNormLayer, FrozenStatisticsAreAModeOfTheirOwn) {
  auto stats = graph_of("BatchNorm2d", image, {}, Mode::train, Freeze::stats);
  EXPECT_EQ(count_ops(stats, "moments") + count_ops(stats, "bn_running"), 0);
  EXPECT_EQ(count_ops(stats, "bn_eval_reduce"), 1);
  EXPECT_EQ(count_ops(stats, "bn_eval_dx"), 1);
  EXPECT_EQ(count_ops(stats, "bn_row"), 2);
  auto all = graph_of("BatchNorm2d", image, {}, Mode::train, Freeze::all);
  EXPECT_EQ(count_ops(all, "bn_eval_reduce"), 0);  // nobody wants dweight
  EXPECT_EQ(count_ops(all, "bn_eval_dx"), 1);
  auto params = graph_of("BatchNorm2d", image, {}, Mode::train, Freeze::params);
  EXPECT_EQ(count_ops(params, "bn_running"), 1);
  EXPECT_EQ(count_ops(params, "bn_reduce"), 1);  // dx needs it
  EXPECT_EQ(count_ops(params, "bn_row"), 0);
}

TEST(BatchNormLayer, SyncGroupsReachTheConsumersButNotRunningStatistics) {
  Graph graph;
  Builder b(graph, builtin(), Mode::train);
  graph.inputs = {{"x", image}, {"g", image}};
  const LayerDef& def = *builtin().layer("BatchNorm2d");
  Diagnostics found;
  Call call{.def = &def, .path = "bn", .owner = "bn", .group = 2};
  call.params = check_params(def.params, {}, "BatchNorm2d", {}, found);
  call.in = {b.input(0, 0)};
  graph.values[0].needs_gradient = true;
  graph.calls.push_back(call);
  b.enter(0);
  call.out = def.forward(b, call);
  b.backward(true);
  def.gradient(b, call, {b.input(1, 0)});
  for (auto& node : graph.nodes)
    for (size_t i = 0; i < node.in.size(); ++i) {
      if (graph.values[size_t(node.in[i])].layout.kind != Layout::Kind::partial) continue;
      const bool everywhere = node.op->name == "bn_running" || node.op->name == "bn_row";
      EXPECT_EQ(node.wants[i], Layout::copy(everywhere ? 0 : 2)) << node.op->name;
    }
}

}  // namespace
}  // namespace braid::test
