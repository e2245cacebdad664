// Plug-ins from files and on the command line: what they bring, and what is said of those that
// cannot be loaded.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/command.h"

namespace braid::test {
namespace {

namespace fs = std::filesystem;

const std::string built = BRAID_BINARY_DIR "/plugins";
const Environment here = {{"BRAID_PLUGIN_PATH", built}};

std::string swish() { return source("examples/embed/swish.yaml"); }

std::string network(const std::string& plugin, const std::string& layers) {
  return "braid: 1\nname: n\nplugins: [" + plugin + "]\nbatch: {global: 4}\n" +
         "inputs: {x: {shape: [N, 4]}}\nlayers:\n" + layers + "outputs: {y: last}\n";
}
const std::string plain = "  - {name: last, type: Linear, from: x, out_features: 2}\n";

/// Of `braid check` on a network that names this plug-in.
Outcome check(const std::string& plugin) {
  Folder folder;
  write_text(folder / "net.yaml", network(plugin, plain));
  return braid_command({"check", folder / "net.yaml"}, here);
}

void expect_refused(const std::string& plugin, const std::string& code, const std::string& why) {
  const auto outcome = check(plugin);
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_NE(outcome.err.find("net.yaml:3:11: error[" + code + "]"), std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find(why), std::string::npos) << outcome.err;
}

TEST(Plugins, EveryCommandKnowsTheLayer) {
  auto checked = braid_command({"check", swish(), "--json"}, here);
  ASSERT_EQ(checked.code, 0) << checked.err;
  EXPECT_EQ(checked.json().at("layers")[1].at("type"), "Swish");
  EXPECT_EQ(braid_command({"plan", swish()}, here).code, 0);
  auto drawn = braid_command({"draw", swish()}, here);
  EXPECT_NE(drawn.out.find("Swish"), std::string::npos) << drawn.err;
  EXPECT_EQ(braid_command({"draw", swish(), "--format", "json"}, here).code, 0);
  EXPECT_EQ(braid_command({"fmt", "--check", swish()}, here).code, 0);
  EXPECT_EQ(braid_command({"bench", swish(), "--steps", "2"}, here).code, 0);
  auto exported = braid_command({"export", swish(), "-o", "/tmp/never.onnx"}, here);
  EXPECT_NE(exported.code, 0);
  EXPECT_NE(exported.code, 70) << exported.err;
}

TEST(Plugins, ANetworkTrainsToTheSameBitsOnAnyDevices) {
  Folder folder;
  std::vector<std::string> weights;
  for (const char* devices : {"cpu:0", "cpu:0,cpu:1"}) {
    auto outcome = braid_command(
        {"train", swish(), "--devices", devices, "--out", folder / devices, "--json"}, here);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const auto done = outcome.lines().back();
    EXPECT_GT(done.at("metrics").at("accuracy").get<double>(), 0.85);
    weights.push_back(done.at("sha256"));
    auto eval = braid_command(
        {"eval", swish(), "--weights", folder / devices + "/weights.safetensors"}, here);
    EXPECT_EQ(eval.code, 0) << eval.err;
  }
  EXPECT_EQ(weights[0], weights[1]);
}

TEST(Plugins, PagesAndTheSchemaHaveIt) {
  const std::string library = built + "/libswish.so";
  auto page = braid_command({"layers", "Swish", "--plugins", library});
  EXPECT_NE(page.out.find("y = x / (1 + exp(-beta x))"), std::string::npos) << page.err;
  EXPECT_EQ(braid_command({"layers", "Swish"}).code, 2);
  for (auto& from : {library, swish()}) {
    auto schema = braid_command({"schema", "--plugins", from}, here);
    EXPECT_NE(schema.out.find("\"Swish\""), std::string::npos) << schema.err;
  }
}

TEST(Plugins, AreSoughtBesideTheFileFirst) {
  Folder folder;
  fs::create_directory(folder / "lib");
  fs::copy(built + "/libswish.so", folder / "lib/libswish.so");
  write_text(folder / "net.yaml",
             network("lib/libswish.so", "  - {name: last, type: Swish, from: x}\n"));
  EXPECT_EQ(braid_command({"check", folder / "net.yaml"}).code, 0);
  // A bare name is never sought among the system's libraries.
  write_text(folder / "net.yaml", network("libm.so.6", plain));
  auto outcome = braid_command({"check", folder / "net.yaml"});
  EXPECT_NE(outcome.err.find("error[E0121]"), std::string::npos) << outcome.err;
}

TEST(Plugins, ATrustedFileIsOpenedAndAnotherIsNot) {
  auto outcome = braid_command({"train", swish(), "--no-plugins"}, here);
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("swish.yaml:6:1: error[E0120]"), std::string::npos) << outcome.err;
  EXPECT_EQ(braid_command({"check", digits(), "--no-plugins"}).code, 0);
}

TEST(Plugins, WhatCannotBeLoadedHasItsReason) {
  Folder folder;
  write_text(folder / "text.so", "no library\n");
  expect_refused("libnowhere.so", "E0121", "tried " + built + "/libnowhere.so");
  expect_refused(folder / "text.so", "E0122", "it cannot be loaded");
  expect_refused(folder.path(), "E0122", "it cannot be loaded");
  expect_refused("libplugin_no_entry.so", "E0123", "it has no 'braid_plugin_abi'");
  expect_refused("libplugin_other_abi.so", "E0124", "it is      braid 0.0.9, g++ abi 1");
  expect_refused("libplugin_other_abi.so", "E0124", "this is    braid 1.0.0, g++ abi");
  expect_refused("libplugin_clash.so", "E0125", "it defines the type 'ReLU', which exists already");
  expect_refused("libplugin_throws.so", "E0126", "it failed: no licence for this machine");
  expect_refused("libplugin_incomplete.so", "E0126", "its type 'Hollow' has no forward");
}

TEST(Plugins, OneThatIsNamedTwiceIsLoadedOnce) {
  EXPECT_EQ(check("libswish.so, " + built + "/libswish.so").code, 0);
}

TEST(Plugins, HooksThatAFileCallsAreBound) {
  Folder folder;
  write_text(folder / "net.yaml", network("libplugin_watcher.so",
                                          "  - {name: seen, type: Callback, call: watch, from: x}\n"
                                          "  - {name: last, type: Linear, out_features: 2}\n"));
  auto outcome =
      braid_command({"bench", folder / "net.yaml", "--steps", "2", "--mode", "eval"}, here);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("watched seen"), std::string::npos) << outcome.err;
}

TEST(TestLayer, AnHonestLayerPassesEveryCheck) {
  auto outcome = braid_command({"test-layer", "Swish", "--plugins", built + "/libswish.so"});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find("gradient"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("Swish: 12 of 12 checks passed"), std::string::npos) << outcome.out;
}

TEST(TestLayer, AGradientThatIsWrongIsFound) {
  auto outcome = braid_command(
      {"test-layer", "Wrong", "--plugins", built + "/libplugin_wrong_gradient.so", "--json"});
  EXPECT_EQ(outcome.code, 1);
  int failed = 0;
  const Json json = outcome.json();
  for (auto& check : json.at("checks")) {
    failed += !check.at("passed").get<bool>();
    EXPECT_EQ(check.at("passed"), check.at("check") != "gradient") << check;
  }
  EXPECT_EQ(failed, 1);
}

TEST(TestLayer, EveryRoleHasItsChecks) {
  for (const char* type : {"ReLU", "MSE", "Accuracy", "SGD"}) {
    auto outcome = braid_command({"test-layer", type});
    EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  }
  auto unknown = braid_command({"test-layer", "Swish"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("E0706"), std::string::npos) << unknown.err;
}

}  // namespace
}  // namespace braid::test
