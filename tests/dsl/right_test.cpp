// Every file in right/ is read without a word; the file of the same name with .plan holds what is
// made of it: layers with what they take, shapes and parameters, and where a plan synchronizes.
#include <gtest/gtest.h>

#include <iomanip>
#include <set>

#include <braid/compiler/compile.h>
#include <braid/core/stages.h>
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>
#include <braid/nodes/isa.h>

#include "dsl/reading.h"
#include "support/golden.h"

namespace braid::test {
namespace {

namespace fs = std::filesystem;

const fs::path folder = fs::path(BRAID_SOURCE_DIR) / "tests/dsl/right";

std::string layers_text(const Model& model, const Summary& summary) {
  std::ostringstream text;
  std::istringstream wires(wiring(model));
  for (auto& layer : summary.layers) {
    std::string wire;
    std::getline(wires, wire);
    text << wire << " : " << layer.type << " " << to_string(layer.shape);
    if (layer.parameters) text << " " << layer.parameters << " parameters";
    text << "\n";
  }
  text << summary.parameters << " parameters, " << summary.buffers << " elements in buffers\n";
  for (auto& state : summary.states)
    text << "   " << state.key << " " << to_string(state.type) << (state.trainable ? "" : ", fixed")
         << "\n";
  return text.str();
}

// What every machine synchronizes, whatever its kernels: sorted, without the exchanges.
std::string syncs_text(const Plan& plan) {
  std::multiset<std::string> lines;
  for (auto& sync : plan.syncs)
    lines.insert((sync.backward ? "backward " : "forward  ") + sync.layer +
                 (sync.variable.empty() ? "" : "." + sync.variable) + " " + sync.merge + " of " +
                 std::to_string(sync.participants) + "\n");
  std::string text;
  for (auto& line : lines) text += line;
  return text;
}

std::string plan_text(const Model& model, const Registry& registry) {
  bool trains = model.optimizer && !model.losses.empty();
  CompileOptions options{.mode = trains ? Mode::train : Mode::eval,
                         .batch = model.batch.global ? model.batch.global : 16};
  options.traits.isa = current_isa();
  Plan plan = compile(model, registry, options);
  std::string text = trains ? "train" : "eval";
  text += ": " + std::to_string(plan.replicas) + " replicas, batch " + std::to_string(plan.batch) +
          ", slices";
  for (auto& micro : plan.slices) {
    text += " ";
    for (size_t i = 0; i < micro.size(); ++i) text += (i ? "+" : "") + std::to_string(micro[i]);
  }
  return text + "\n" + syncs_text(plan);
}

std::string stages_text(const PipelineDecl& pipeline) {
  std::ostringstream text;
  text << pipeline.stages.size() << " stages, " << pipeline.in_flight << " in flight\n";
  for (auto& stage : pipeline.stages) {
    text << stage.name << " <-";
    for (auto& from : stage.from) text << " " << pipeline.stages[size_t(from.stage)].name;
    text << " : " << stage_type(stage.kind) << " " << what_it_does(stage);
    if (!stage.params.empty()) text << " " << to_string(Attr(stage.params));
    for (auto& [input, field] : stage.feed) text << " " << input << "=" << field;
    for (auto& output : stage.outputs) text << " " << output;
    text << " | parallel " << stage.parallel << (stage.ordered ? "" : ", any order") << ", queue "
         << stage.queue << ", " << to_string(stage.overflow) << "\n";
  }
  return text.str();
}

class Right : public ::testing::TestWithParam<std::string> {};

TEST_P(Right, BecomesThisPlan) {
  fs::path yaml = folder / (GetParam() + ".yaml");
  Registry registry;
  register_builtin(registry);
  Diagnostics found;
  Model model = read_file(yaml.string(), {}, found);
  Summary summary = check(model, registry, found);
  ASSERT_EQ(rendered(found), "");
  fs::path golden = yaml;
  std::string text;
  if (!model.layers.empty()) text = layers_text(model, summary) + plan_text(model, registry);
  if (model.pipeline) text += stages_text(*model.pipeline);
  expect_golden(golden.replace_extension(".plan"), text);
}

INSTANTIATE_TEST_SUITE_P(Files, Right, ::testing::ValuesIn(yaml_files(folder)),
                         [](const auto& info) { return info.param; });

TEST(RightFiles, AreMany) { EXPECT_GE(yaml_files(folder).size(), 60u); }

}  // namespace
}  // namespace braid::test
