// What a plan repeats, when it does, and how much memory that saves.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include <braid/compiler/compile.h>
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>
#include <braid/nodes/isa.h>

namespace braid {
namespace {

// ResNet-18; `cut` marks its eight blocks, each a segment.
Model resnet(int64_t replicas, bool cut) {
  Diagnostics found;
  Model model = read_file(std::string(BRAID_SOURCE_DIR) + "/examples/networks/resnet18.yaml",
                          {.replicas = replicas}, found);
  found.raise();
  model.inputs[0].type.shape = {N, 3, 160, 160};
  for (auto& item : model.layers) {
    if (!item.path.starts_with("layer")) continue;
    item.recompute = cut;
    item.segment = item.path.substr(0, std::string("layer1.0.").size());
  }
  return model;
}

// The U-Net in small, every stage a segment: what the skips read is kept.
Model unet(int64_t replicas, bool cut) {
  Diagnostics found;
  Model model = read_file(std::string(BRAID_SOURCE_DIR) + "/examples/networks/unet.yaml",
                          {.set = {{"w", "16"}}, .replicas = replicas}, found);
  found.raise();
  model.inputs[0].type.shape = {N, 3, 64, 64};
  model.inputs[1].type.shape = {N, 64, 64};
  for (auto& item : model.layers) {
    item.recompute = cut && !item.path.starts_with("outc");
    item.segment = item.path.substr(0, item.path.find('.'));
  }
  return model;
}

Plan plan_of(const Model& model, int64_t batch, std::set<std::string> disabled = {}) {
  Registry registry;
  register_builtin(registry);
  CompileOptions options{.batch = batch, .devices = {"cpu"}, .disabled = std::move(disabled)};
  options.traits.isa = current_isa();
  return compile(model, registry, options);
}

// How often each operation of a layer is there: "layer1.0.conv1 conv2d" -> 2.
std::map<std::string, int> operations(const Plan& plan) {
  std::map<std::string, int> count;
  for (auto& node : plan.nodes) ++count[node.label + " " + node.op];
  return count;
}

TEST(Recompute, RepeatsWhatTheGradientReadsAndNoMore) {
  auto once = operations(plan_of(resnet(2, false), 8, {"bundle"}));
  auto twice = operations(plan_of(resnet(2, true), 8, {"bundle"}));
  std::map<std::string, int> more;
  for (auto& [name, count] : twice)
    if (name.starts_with("layer1.0") && !name.ends_with("reorder") && count != once[name])
      more[name] = count - once[name];
  // bn2's result goes into the sum alone, the sum is the block's result: nobody reads them again.
  EXPECT_EQ(more, (std::map<std::string, int>{{"layer1.0.conv1 conv2d", 1},
                                              {"layer1.0.bn1 normalize", 1},
                                              {"layer1.0.conv2 conv2d", 1}}));
  EXPECT_EQ(twice["conv1 conv2d"], 1);
  for (auto& [name, count] : twice)
    if (name.ends_with(" moments") || name.ends_with(" bn_running") || name.ends_with(" sync")) {
      EXPECT_EQ(count, once[name]) << name;
    }
}

TEST(FuseAdd, TakesEverySumOfResNet18) {
  for (bool cut : {false, true}) {
    std::map<std::string, int> count;
    for (auto& node : plan_of(resnet(2, cut), 8).nodes) ++count[node.op];
    EXPECT_EQ(count["normalize_add"], 8);
    EXPECT_EQ(count["bn_relu_reduce"], 8);
    EXPECT_EQ(count["relu"] + count["relu_grad"], 0);
  }
}

// Beside the forward pass it would save nothing: each replica's lane has it behind its own loss.
TEST(Recompute, WaitsForTheGradientOfTheSegmentsResult) {
  Plan plan = plan_of(resnet(4, true), 16);
  std::vector<int> position(plan.steps.size());
  int next = 0;
  for (auto& strand : plan.strands)
    for (int s : strand.steps) position[size_t(s)] = next++;
  std::map<std::pair<std::string, int>, std::vector<int>> at;  // label and op, replica -> positions
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    auto& step = plan.steps[i];
    if (step.node < 0 || step.replica < 0) continue;
    auto& node = plan.nodes[size_t(step.node)];
    at[{node.label + " " + node.op, step.replica}].push_back(position[i]);
  }
  for (int r = 0; r < 4; ++r) {
    auto loss = at[{"loss xent", r}];
    auto conv = at[{"layer4.1.conv1 conv2d", r}], earlier = at[{"layer1.0.conv1 conv2d", r}];
    auto gradient = at[{"layer1.1.conv1 conv2d_grad_input", r}];
    ASSERT_EQ(conv.size(), 2u);
    ASSERT_EQ(earlier.size(), 2u);
    ASSERT_EQ(gradient.size(), 1u);
    ASSERT_EQ(loss.size(), 1u);
    EXPECT_GT(std::ranges::max(conv), loss[0]);
    EXPECT_GT(std::ranges::max(earlier), gradient[0]);
  }
}

// What lives at once when the steps run one after the other, each value until its last use: no
// layout can take less.
int64_t least(const Plan& plan) {
  std::vector<int> order, last(plan.slots.size(), -1);
  for (auto& strand : plan.strands)
    for (int s : strand.steps) order.push_back(s);
  for (size_t i = 0; i < order.size(); ++i) {
    auto& step = plan.steps[size_t(order[i])];
    for (int s : plan.in(step)) last[size_t(s)] = int(i);
    for (int s : plan.out(step)) last[size_t(s)] = int(i);
  }
  for (auto& result : plan.results)
    for (int s : result.slots) last[size_t(s)] = int(order.size());
  std::map<int, int64_t> ends;  // position -> bytes that are free behind it
  int64_t now = 0, peak = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    for (int s : plan.out(plan.steps[size_t(order[i])])) {
      now += plan.slots[size_t(s)].bytes;
      ends[last[size_t(s)]] += plan.slots[size_t(s)].bytes;
    }
    peak = std::max(peak, now);
    if (auto done = ends.find(int(i)); done != ends.end()) now -= done->second;
  }
  return peak;
}

TEST(Recompute, SavesMemoryAndTheLayoutUsesIt) {
  for (auto& [name, model_of] : {std::pair("resnet18", &resnet), std::pair("unet", &unet)}) {
    int64_t arena[2];
    for (bool cut : {false, true}) {
      Plan plan = plan_of(model_of(8, cut), 64);
      arena[cut] = plan.arena[0];
      double ratio = double(plan.arena[0]) / double(least(plan));
      std::cout << name << (cut ? ", recomputed: " : ", kept: ") << (plan.arena[0] >> 10)
                << " KiB, " << ratio << " times the least\n";
      EXPECT_LE(ratio, 1.3) << name;
    }
    EXPECT_LT(double(arena[1]), 0.7 * double(arena[0])) << name;
  }
}

}  // namespace
}  // namespace braid
