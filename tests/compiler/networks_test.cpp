// The example networks: parameter counts and weight keys are exactly those of their models in
// PyTorch.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include <braid/compiler/compile.h>
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>

namespace braid {
namespace {

Summary summary_of(const std::string& name) {
  Registry registry;
  register_builtin(registry);
  Diagnostics found;
  Model model = read_file(std::string(BRAID_SOURCE_DIR) + "/examples/networks/" + name, {}, found);
  Summary summary = check(model, registry, found);
  found.raise();
  return summary;
}

std::set<std::string> keys_of(const Summary& summary) {
  std::set<std::string> keys;
  for (auto& state : summary.states) EXPECT_TRUE(keys.insert(state.key).second) << state.key;
  return keys;
}

void add_norm(std::set<std::string>& keys, const std::string& path) {
  for (auto name : {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"})
    keys.insert(path + "." + name);
}

// torchvision.models.resnet: `convs` convolutions a block, a downsample where the shape changes.
std::set<std::string> resnet_keys(std::vector<int> blocks, int convs, bool first_downsample) {
  std::set<std::string> keys = {"conv1.weight", "fc.weight", "fc.bias"};
  add_norm(keys, "bn1");
  for (size_t stage = 0; stage < blocks.size(); ++stage)
    for (int block = 0; block < blocks[stage]; ++block) {
      auto path = "layer" + std::to_string(stage + 1) + "." + std::to_string(block);
      for (int conv = 1; conv <= convs; ++conv) {
        keys.insert(path + ".conv" + std::to_string(conv) + ".weight");
        add_norm(keys, path + ".bn" + std::to_string(conv));
      }
      if (block == 0 && (stage > 0 || first_downsample)) {
        keys.insert(path + ".downsample.0.weight");
        add_norm(keys, path + ".downsample.1");
      }
    }
  return keys;
}

TEST(Networks, ResNet18IsTorchvisions) {
  auto summary = summary_of("resnet18.yaml");
  EXPECT_EQ(summary.parameters, 11689512);
  EXPECT_EQ(keys_of(summary).size(), 122u);
  EXPECT_EQ(keys_of(summary), resnet_keys({2, 2, 2, 2}, 2, false));
}

TEST(Networks, ResNet50IsTorchvisions) {
  auto summary = summary_of("resnet50.yaml");
  EXPECT_EQ(summary.parameters, 25557032);
  EXPECT_EQ(keys_of(summary).size(), 320u);
  EXPECT_EQ(keys_of(summary), resnet_keys({3, 4, 6, 3}, 3, true));
}

// The U-Net of Ronneberger et al. as PyTorch users know it: two convolutions at each of five sizes
// on the way down, a transposed convolution and two more at each of four on the way up.
std::set<std::string> unet_keys() {
  std::set<std::string> keys = {"outc.conv.weight", "outc.conv.bias"};
  auto add_double = [&](const std::string& path) {
    for (int i : {0, 3}) {
      keys.insert(path + ".double_conv." + std::to_string(i) + ".weight");
      add_norm(keys, path + ".double_conv." + std::to_string(i + 1));
    }
  };
  add_double("inc");
  for (int level = 1; level <= 4; ++level) {
    add_double("down" + std::to_string(level) + ".maxpool_conv.1");
    const auto up = "up" + std::to_string(level);
    for (auto name : {".up.weight", ".up.bias"}) keys.insert(up + name);
    add_double(up + ".conv");
  }
  return keys;
}

TEST(Networks, UNetIsPyTorchs) {
  auto summary = summary_of("unet.yaml");
  EXPECT_EQ(summary.parameters, 31037698);
  EXPECT_EQ(keys_of(summary), unet_keys());
}

TEST(Networks, LeNetAndAccumulate) {
  EXPECT_EQ(summary_of("lenet-bn.yaml").parameters, 61848);
  EXPECT_EQ(summary_of("accumulate.yaml").parameters, 144 + 32 + 170);
}

}  // namespace

// What its first line says: `# Name: 11,689,512 parameters, torchvision's 122 keys`.
struct Stated {
  int64_t parameters = -1, keys = -1;
};
Stated stated_in(const std::string& line) {
  Stated stated;
  auto number = [&](const char* pattern) {
    std::smatch found;
    if (!std::regex_search(line, found, std::regex(pattern))) return int64_t{-1};
    return int64_t{std::stoll(std::regex_replace(found[1].str(), std::regex(","), ""))};
  };
  stated.parameters = number("([0-9][0-9,]*) parameters");
  stated.keys = number("([0-9][0-9,]*) keys");
  return stated;
}

TEST(Networks, HaveTheParametersAndKeysThatTheyState) {
  const std::filesystem::path folder = BRAID_SOURCE_DIR "/examples/networks";
  int files = 0, numbers = 0;
  for (auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    SCOPED_TRACE(entry.path().filename().string());
    std::ifstream in(entry.path());
    std::string line;
    while (std::getline(in, line) && line.starts_with("# yaml-language-server")) {
    }
    const Stated stated = stated_in(line);
    const Summary summary = summary_of(entry.path().filename().string());
    numbers += stated.parameters >= 0;
    if (stated.parameters >= 0) {
      EXPECT_EQ(summary.parameters, stated.parameters);
    }
    if (stated.keys >= 0) {
      EXPECT_EQ(int64_t(keys_of(summary).size()), stated.keys);
    }
  }
  EXPECT_GE(files, 7);
  EXPECT_GE(numbers, 5);
}

}  // namespace braid
