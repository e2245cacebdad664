// The networks of examples/networks: paths, links and parameters as PyTorch has them.
#include <chrono>

#include "reading.h"

namespace braid {
namespace {

Model read_network(const std::string& name) {
  Diagnostics found;
  Model model = read_file(std::string(BRAID_SOURCE_DIR) + "/examples/networks/" + name, {}, found);
  EXPECT_EQ(rendered(found), "");
  return model;
}

/// Paths of the layers that have weights, in file order.
std::vector<std::string> weighted(const Model& model) {
  std::vector<std::string> paths;
  for (const LayerItem& item : model.layers)
    if (item.type == "Conv2d" || item.type == "Linear" || item.type.rfind("BatchNorm", 0) == 0)
      paths.push_back(item.path);
  return paths;
}

/// torchvision's module names of a ResNet, in the order of its state_dict.
std::vector<std::string> resnet(const std::vector<int>& blocks, int convs, bool first_down) {
  std::vector<std::string> paths = {"conv1", "bn1"};
  for (size_t stage = 1; stage <= blocks.size(); ++stage)
    for (int b = 0; b < blocks[stage - 1]; ++b) {
      std::string block = "layer" + std::to_string(stage) + "." + std::to_string(b) + ".";
      for (int c = 1; c <= convs; ++c) {
        paths.push_back(block + "conv" + std::to_string(c));
        paths.push_back(block + "bn" + std::to_string(c));
      }
      if (b == 0 && (stage > 1 || first_down)) {
        paths.push_back(block + "downsample.0");
        paths.push_back(block + "downsample.1");
      }
    }
  paths.push_back("fc");
  return paths;
}

TEST(Networks, ResNet18HasPyTorchsNames) {
  Model model = read_network("resnet18.yaml");
  EXPECT_EQ(weighted(model), resnet({2, 2, 2, 2}, 2, false));
  EXPECT_EQ(model.layers.size(), 69u);
  EXPECT_EQ(model.replicas, 8);
  EXPECT_EQ(model.batch.global, 256);
  EXPECT_EQ(path_of(model, model.outputs.at(0).from), "fc");
  EXPECT_EQ(get_int(layer(model, "fc").params, "out_features"), 1000);
}

TEST(Networks, ResNet50HasPyTorchsNames) {
  Model model = read_network("resnet50.yaml");
  EXPECT_EQ(weighted(model), resnet({3, 4, 6, 3}, 3, true));
  EXPECT_EQ(get_int(layer(model, "layer3.0.conv2").params, "stride"), 2);
  EXPECT_EQ(get_int(layer(model, "layer3.1.conv2").params, "stride"), 1);
  EXPECT_EQ(get_int(layer(model, "layer4.2.conv3").params, "out_channels"), 2048);
}

TEST(Networks, ResidualsJoinWhatTheyShould) {
  Model model = read_network("resnet18.yaml");
  auto inputs = [&](const std::string& path) {
    std::string text;
    for (const Link& link : layer(model, path).from) text += path_of(model, link) + " ";
    return text;
  };
  EXPECT_EQ(inputs("layer1.0.5"), "layer1.0.bn2 maxpool ");  // no downsample: the block's input
  EXPECT_EQ(inputs("layer1.1.5"), "layer1.1.bn2 layer1.0.6 ");
  EXPECT_EQ(inputs("layer2.0.6"), "layer2.0.bn2 layer2.0.downsample.1 ");
  EXPECT_EQ(inputs("layer2.0.downsample.0"), "layer1.1.6 ");
  EXPECT_EQ(inputs("layer2.0.conv1"), "layer1.1.6 ");
  EXPECT_EQ(inputs("avgpool"), "layer4.1.6 ");
}

TEST(Networks, LeNet) {
  Model model = read_network("lenet-bn.yaml");
  EXPECT_EQ(wiring(model),
            "conv1 <- image\nbn1 <- conv1\n2 <- bn1\n3 <- 2\nconv2 <- 3\nbn2 <- conv2\n6 <- bn2\n"
            "7 <- 6\n8 <- 7\nfc1 <- 8\nbn3 <- fc1\n11 <- bn3\nfc2 <- 11\n13 <- fc2\nfc3 <- 13\n");
  EXPECT_EQ(model.name, "lenet-bn");
  EXPECT_EQ(model.seed, 7u);
  EXPECT_EQ(layer(model, "bn1").sync, 0);
  EXPECT_FALSE(layer(model, "fc1").sync.has_value());
  EXPECT_EQ(to_string(Attr(layer(model, "conv1").params)),
            "{out_channels: 6, kernel_size: 5, padding: 2, bias: false}");
  ASSERT_TRUE(layer(model, "8").expect.has_value());
  EXPECT_EQ(*layer(model, "8").expect, (std::vector<ExpectDim>{N, Dim(400)}));
  ASSERT_EQ(model.losses.size(), 1u);
  EXPECT_EQ(model.losses[0].name, "loss");
  EXPECT_EQ(path_of(model, model.losses[0].from.at(1)), "label");
  EXPECT_EQ(model.metrics.at(0).name, "accuracy");
  EXPECT_EQ(model.optimizer->type, "SGD");
  EXPECT_EQ(to_string(Attr(model.optimizer->params)),
            "{lr: 0.05, momentum: 0.9, weight_decay: 0.0005, nesterov: true}");
  EXPECT_EQ(model.schedule->type, "cosine");
  EXPECT_EQ(get_text(find(model.train_data->params, "image")->as_dict(), "path"),
            "data/fashion-mnist/train-images-idx3-ubyte.gz");
  EXPECT_EQ(model.train.epochs, 5);
  EXPECT_EQ(model.train.checkpoint_every, 500);
  EXPECT_EQ(model.train.checkpoint_keep, 2);
  EXPECT_EQ(model.inputs.at(1).type, (Type{DType::i64, {N}}));
  EXPECT_EQ(model.folder, std::string(BRAID_SOURCE_DIR) + "/examples/networks");
}

TEST(Networks, Accumulate) {
  Model model = read_network("accumulate.yaml");
  EXPECT_EQ(model.batch.global, 1024);
  EXPECT_EQ(model.batch.accumulate, 4);
  EXPECT_EQ(model.train.steps, 100);
  EXPECT_EQ(model.layers.size(), 6u);
}

TEST(Networks, MarksNameTheLineOfTheBlockAndOfItsUse) {
  Model model = read_network("resnet50.yaml");
  const LayerItem& conv = layer(model, "layer2.0.downsample.0");
  EXPECT_EQ(conv.mark.line, 25);
  ASSERT_TRUE(conv.mark.via);
  EXPECT_EQ(conv.mark.via->what, "bottleneck, ch=128, s=2, down=true, i=0");
  EXPECT_EQ(conv.mark.via->at.line, 40);
  EXPECT_EQ(source_line(conv.mark.via->at).substr(0, 18), "  - {name: layer2,");
}

TEST(Networks, ResNet50IsReadInMilliseconds) {
  double best = 1e9;
  for (int i = 0; i < 20; ++i) {
    auto before = std::chrono::steady_clock::now();
    read_network("resnet50.yaml");
    std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - before;
    best = std::min(best, took.count());
  }
  EXPECT_LT(best, 20)
      << "milliseconds; 0.5 in a release build, a sanitizer takes ten times as long";
}

}  // namespace
}  // namespace braid
