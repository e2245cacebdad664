// `on_replicate` in a file: shown before it runs, and refused where nobody answers to it.
#include <gtest/gtest.h>

#include "cli/command.h"

namespace braid::test {
namespace {

std::string hooks() { return source("examples/replication/hooks.yaml"); }

TEST(Callbacks, ThePlanListsThem) {
  auto plan = braid_command({"plan", hooks(), "--json"}).json();
  ASSERT_EQ(plan.at("callbacks").size(), 1u);
  auto& one = plan.at("callbacks")[0];
  EXPECT_EQ(one.at("hook"), "on_replicate");
  EXPECT_EQ(one.at("name"), "greet");
  EXPECT_EQ(one.at("layer"), "bn1");
  EXPECT_EQ(one.at("position"), 2);  // behind the model and fc1
  EXPECT_EQ(one.at("line"), 13);
  auto text = braid_command({"plan", hooks()}).out;
  EXPECT_NE(text.find("on_replicate  greet  bn1  BatchNorm1d"), std::string::npos) << text;
  EXPECT_NE(text.find("replica after replica: 0 to 1"), std::string::npos) << text;
}

TEST(Callbacks, PicturesShowThemInTheirOrder) {
  auto network = braid_command({"draw", hooks()}).out;
  EXPECT_NE(network.find("on_replicate: greet"), std::string::npos) << network;
  auto replicas = braid_command({"draw", hooks(), "--view", "replicas"}).out;
  EXPECT_NE(replicas.find("n_on_replicate_greet_bn1_r0 -> n_on_replicate_greet_bn1_r1"),
            std::string::npos)
      << replicas;
  auto mermaid = braid_command({"draw", hooks(), "--view", "replicas", "--format", "mermaid"}).out;
  EXPECT_NE(mermaid.find("on_replicate: greet"), std::string::npos) << mermaid;
}

TEST(Callbacks, TheCommandBindsNone) {
  auto outcome = braid_command({"train", hooks()});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("hooks.yaml:13:12: error[E0423]"), std::string::npos) << outcome.err;
}

TEST(Callbacks, OneWithPortsIsCheckedAndPlannedUnboundAndRefusedByARun) {
  const auto net = source("examples/replication/own_layer.yaml");
  auto check = braid_command({"check", net, "--json"});
  ASSERT_EQ(check.code, 0) << check.err;
  EXPECT_EQ(check.json().at("layers")[3].at("shape"), Json({"N", 16}));
  auto plan = braid_command({"plan", net, "--json"});
  ASSERT_EQ(plan.code, 0) << plan.err;
  std::string calls;
  const Json json = plan.json();
  for (auto& one : json.at("callbacks"))
    calls += one.at("hook").get<std::string>() + " " + one.at("name").get<std::string>() + ", ";
  EXPECT_EQ(calls, "callback simulate, backward callback simulate_back, ");
  auto picture = braid_command({"draw", net, "--view", "replicas"});
  EXPECT_NE(picture.out.find("callback: simulate"), std::string::npos) << picture.out;
  auto train = braid_command({"train", net});
  EXPECT_EQ(train.code, 3);
  EXPECT_NE(
      train.err.find("own_layer.yaml:15:11: error[E0423]: layer 'decay' calls 'simulate', and "
                     "nothing is bound under that name"),
      std::string::npos)
      << train.err;
}

TEST(Callbacks, BlocksAndListsHaveThemToo) {
  Folder folder;
  write_text(folder / "net.yaml",
             "braid: 1\nname: n\nbatch: {global: 4}\ninputs: {x: {shape: [N, 4]}}\nblocks:\n"
             "  part: {layers: [{name: fc, type: Linear, out_features: 4}]}\n"
             "layers:\n  - {name: a, use: part, on_replicate: one, repeat: 2}\n"
             "  - {name: b, on_replicate: two, layers: [ReLU]}\noutputs: {y: b}\n");
  auto plan = braid_command({"plan", folder / "net.yaml", "--json", "--mode", "eval"});
  ASSERT_EQ(plan.code, 0) << plan.err;
  std::string order;
  const Json json = plan.json();
  for (auto& one : json.at("callbacks"))
    order += one.at("name").get<std::string>() + "@" + one.at("layer").get<std::string>() + " ";
  EXPECT_EQ(order, "one@a.0 one@a.1 two@b ");
}

}  // namespace
}  // namespace braid::test
