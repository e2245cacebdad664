// `check`, `plan`, `layers`, `weights`, `devices`, `explain`: what the command knows and says.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cli/command.h"

namespace braid::test {
namespace {

int line_of(const std::string& text, const std::string& part) {
  auto end = text.begin() + std::ptrdiff_t(text.find(part));
  return 1 + int(std::count(text.begin(), end, '\n'));
}

TEST(Check, JsonIsOneObject) {
  auto net = source("examples/fashion/fashion.yaml");
  auto outcome = braid_command({"check", net, "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  auto json = outcome.json();
  EXPECT_EQ(json.at("name"), "fashion");
  EXPECT_EQ(json.at("parameters"), 400 + 32 + 12800 + 64 + 200832 + 1290);
  EXPECT_EQ(json.at("buffers"), 2 * 16 + 1 + 2 * 32 + 1);
  auto& layers = json.at("layers");
  ASSERT_EQ(layers.size(), 12u);
  auto& conv = layers.at(0);
  EXPECT_EQ(conv.at("name"), "conv1");
  EXPECT_EQ(conv.at("type"), "Conv2d");
  EXPECT_EQ(conv.at("shape"), Json({"N", 16, 28, 28}));
  EXPECT_EQ(conv.at("parameters"), 400);
  EXPECT_EQ(conv.at("line"), line_of(read_text(net), "name: conv1"));
  EXPECT_TRUE(conv.at("file").get<std::string>().ends_with("fashion.yaml"));
}

TEST(Check, TheTableNamesEveryLayer) {
  auto outcome = braid_command({"check", digits()});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* part : {"fc1", "BatchNorm1d", "[N, 32]", "2,474 parameters"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
}

TEST(Check, TakesWhatHasNoKernelsYetAndPlanNamesIt) {
  Folder folder;
  auto path = folder / "net.yaml";
  const std::string layers = R"(braid: 1
batch: {global: 4}
inputs: {x: {shape: [N, 8]}}
layers: [{name: fc, type: Linear, out_features: 4, spectral_norm: )";
  write_text(path, layers + "true}]\n");
  auto checked = braid_command({"check", path, "--json"});
  ASSERT_EQ(checked.code, 0) << checked.err;
  EXPECT_EQ(checked.json().at("parameters"), 8 * 4 + 4);
  EXPECT_EQ(checked.json().at("buffers"), 4 + 8);
  auto plan = braid_command({"plan", path, "--mode", "eval"});
  EXPECT_EQ(plan.code, 3);
  EXPECT_NE(plan.err.find("E0808"), std::string::npos) << plan.err;

  write_text(path, layers + "false}]\nprecision: {compute: f16, loss_scale: auto}\n");
  EXPECT_EQ(braid_command({"check", path}).code, 0);
  plan = braid_command({"plan", path, "--mode", "eval"});
  EXPECT_EQ(plan.code, 3);
  EXPECT_NE(plan.err.find("net.yaml:5:12: error[E0805]: no kernels compute in f16 yet"),
            std::string::npos)
      << plan.err;
}

TEST(Check, FindsFaultsOfDataAndSchedule) {
  auto text = read_text(digits());
  Folder folder;
  auto replaced = [&](const std::string& from, const std::string& to) {
    auto copy = text;
    copy.replace(copy.find(from), from.size(), to);
    write_text(folder / "net.yaml", copy);
    return braid_command({"check", folder / "net.yaml"});
  };
  auto schedule = replaced("type: cosine", "type: cosinus");
  EXPECT_EQ(schedule.code, 3);
  EXPECT_NE(schedule.err.find("did you mean 'cosine'?"), std::string::npos) << schedule.err;
  auto data = replaced("columns: 0..63", "colums: 0..63");
  EXPECT_EQ(data.code, 3);
  EXPECT_NE(data.err.find("columns"), std::string::npos) << data.err;
}

TEST(Check, ShowsWhatFoldingDoes) {
  auto text = braid_command({"check", digits(), "--fold-bn"});
  ASSERT_EQ(text.code, 0) << text.err;
  for (const char* part : {"batch norm  type         at ", "bn1         BatchNorm1d  ",
                           "digits.yaml:21:12  fc1 (Linear)\n", "1 of 1 batch norms folded\n",
                           "2,410 parameters, 0 elements in buffers"})
    EXPECT_NE(text.out.find(part), std::string::npos) << part << "\n" << text.out;
  auto plain = braid_command({"check", digits(), "--json"}).json();
  auto json = braid_command({"check", digits(), "--fold-bn", "--json"}).json();
  EXPECT_EQ(json.at("layers").size() + 1, plain.at("layers").size());
  EXPECT_EQ(json.at("fold").at("folded").at(0).at("into"), "fc1");
  EXPECT_FALSE(plain.contains("fold"));

  Folder folder;
  write_text(folder / "net.yaml",
             "braid: 1\nname: n\ninputs: {x: {shape: [N, 4], dtype: f32}}\n"
             "layers:\n  - {name: bn, type: BatchNorm1d, from: x}\n");
  auto left = braid_command({"check", folder / "net.yaml", "--fold-bn", "--json"}).json();
  EXPECT_EQ(left.at("fold").at("left"),
            Json({{{"name", "bn"}, {"why", "it reads the input 'x'"}}}));
}

TEST(Plan, OneProgramManyPlans) {
  auto plan = [](const std::string& devices) {
    auto outcome = braid_command({"plan", digits(), "--devices", devices, "--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.json();
  };
  auto one = plan("cpu:0"), two = plan("cpu:0,cpu:1");
  EXPECT_EQ(one.at("program_hash"), two.at("program_hash"));
  EXPECT_NE(one.at("plan_hash"), two.at("plan_hash"));
  EXPECT_EQ(one.at("transfers"), 0);
  EXPECT_EQ(one.at("device_exchanges"), 0);
  EXPECT_EQ(one.at("exchanges"), two.at("exchanges"));
  EXPECT_GT(two.at("transfers"), 0);
  EXPECT_EQ(two.at("device_exchanges"), two.at("exchanges"));
  std::set<int> exchanges;
  for (auto& sync : two.at("syncs")) exchanges.insert(sync.at("exchange").get<int>());
  EXPECT_EQ(two.at("exchanges"), exchanges.size());
  EXPECT_EQ(*exchanges.rbegin(), int(exchanges.size())) << "they are counted from 1";
  auto& total = two.at("synchronization");
  EXPECT_EQ(total.at("forward").at("points").get<size_t>() +
                total.at("backward").at("points").get<size_t>(),
            two.at("syncs").size());
  EXPECT_EQ(two.at("slices"), Json({{32, 32}}));
  EXPECT_EQ(two.at("nodes_per_replica").size(), 2u);
  EXPECT_EQ(two.at("nodes_per_replica"), one.at("nodes_per_replica"));
  ASSERT_EQ(two.at("devices").size(), 2u);
  EXPECT_GT(two.at("devices").at(1).at("peak_bytes"), 0);
  int64_t steps = 0;
  for (auto& device : two.at("devices")) steps += device.at("steps").get<int64_t>();
  EXPECT_EQ(steps, two.at("steps"));
}

TEST(Plan, BatchNormSynchronizesOnceEachWay) {
  auto json = braid_command({"plan", digits(), "--json"}).json();
  int forward = 0, backward = 0;
  for (auto& sync : json.at("syncs")) {
    if (sync.at("layer") != "bn1") continue;
    EXPECT_EQ(sync.at("participants"), 2);
    ++(sync.at("pass") == "forward" ? forward : backward);
    EXPECT_EQ(sync.at("merge"), sync.at("pass") == "forward" ? "chan" : "sum");
  }
  EXPECT_EQ(forward, 1);
  EXPECT_EQ(backward, 1);
}

TEST(Plan, TextShowsHashesSyncsAndMemory) {
  auto outcome = braid_command({"plan", digits(), "--devices", "cpu:0,cpu:1"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* part : {"program ", "plan ", "peak memory", "chan", "exchanges", "merge_sum"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
}

// A convolution block whose shortcut has a batch norm of its own.
constexpr const char* residual = R"(braid: 1
name: residual
replicas: 4
batch: {global: 16}
inputs: {image: {shape: [N, 3, 8, 8]}, label: {shape: [N], dtype: i64}}
layers:
  - {name: conv1, type: Conv2d, from: image, out_channels: 64, kernel_size: 3, padding: 1, bias: false}
  - {name: bn1, type: BatchNorm2d}
  - ReLU
  - {name: conv2, type: Conv2d, out_channels: 64, kernel_size: 3, padding: 1, bias: false}
  - {name: bn2, type: BatchNorm2d}
  - {name: short, type: Conv2d, from: image, out_channels: 64, kernel_size: 1, bias: false}
  - {name: short_bn, type: BatchNorm2d}
  - {name: add, type: Add, from: [bn2, short_bn]}
  - Flatten
  - {name: fc, type: Linear, out_features: 10}
outputs: {logits: fc}
loss: {type: CrossEntropy, from: [fc, label]}
metrics: {top1: {type: Accuracy, from: [fc, label]}}
optimizer: {type: SGD, lr: 0.1}
)";

std::string syncs_of(const std::string& net, std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"plan", net};
  words.insert(words.end(), more.begin(), more.end());
  auto outcome = braid_command(words);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  size_t from = outcome.out.find("\n\n", outcome.out.find("peak memory")) + 2;
  return outcome.out.substr(from, outcome.out.find("\n\n", from) + 1 - from);
}

TEST(Plan, ListsWhatIsSynchronizedAndInWhichExchangeItTravels) {
  Folder folder;
  write_text(folder / "net.yaml", residual);
  EXPECT_EQ(syncs_of(folder / "net.yaml", {"--devices", "cpu:0,cpu:1"}),
            R"(exchange  synchronized  made by             merge    bytes  replicas  over  pass
       1  bn1           moments             chan     1,536         4  all   forward
       1  short_bn      moments             chan     1,536         4  all   forward
       2  bn2           moments             chan     1,536         4  all   forward
       3  loss          xent_count          sum          8         4  all   forward
       4  loss          xent                sum          8         4  all   forward
       4  top1          correct             sum          8         4  all   forward
       4  top1          xent_count          sum          8         4  all   forward
       5  short_bn      bn_reduce           sum      1,024         4  all   backward
       5  bn2           bn_reduce           sum      1,024         4  all   backward
       6  bn1           bn_reduce           sum      1,024         4  all   backward
       7  conv2.weight  conv2d_grad_weight  sum    147,456         4  all   backward
       8  conv1.weight  conv2d_grad_weight  sum      6,912         4  all   backward
       8  short.weight  conv2d_grad_weight  sum        768         4  all   backward
       9  fc.weight     matmul              sum    163,840         4  all   backward
       9  fc.bias       column_sum          sum         40         4  all   backward
in all     7 forward (4.5 KiB) + 8 backward (314.5 KiB) sync points a step, travelling in 4 + 5 exchanges;
           9 of these between devices, 644.6 KiB in 17 transfers
)");
}

TEST(Plan, LargeNetsAreListedByLayer) {
  auto net = source("examples/networks/resnet18.yaml");
  auto text = syncs_of(net);
  for (const char* part :
       {"layer2.0.bn1                 1   3,072         1      2,048         8  6, 31\n",
        "layer2.0.downsample.1        1   3,072         1      2,048         8  6, 30\n",
        "24 forward (112.5 KiB) + 42 backward (44.6 MiB) sync points a step, travelling in 19 + 38 "
        "exchanges"})
    EXPECT_NE(text.find(part), std::string::npos) << part << text;
  auto all = syncs_of(net, {"--verbose"});
  EXPECT_EQ(std::ranges::count(all, '\n'), 1 + 24 + 42 + 2);
}

TEST(Plan, OneReplicaSynchronizesNothing) {
  EXPECT_EQ(syncs_of(digits(), {"--replicas", "1"}), "no synchronization\n");
}

TEST(Layers, EveryTypeHasAPage) {
  auto list = braid_command({"layers", "--json"}).json().at("layers");
  std::set<std::string> roles;
  for (auto& layer : list) {
    roles.insert(layer.at("role"));
    EXPECT_NE(layer.at("doc"), "") << layer.at("name");
    for (auto& parameter : layer.at("parameters"))
      EXPECT_NE(parameter.at("doc"), "") << layer.at("name") << " " << parameter.at("name");
  }
  EXPECT_EQ(roles, (std::set<std::string>{"layer", "loss", "metric", "optimizer"}));
  auto page = braid_command({"layers", "Conv2d"});
  ASSERT_EQ(page.code, 0);
  EXPECT_NE(page.out.find("out_channels"), std::string::npos) << page.out;
  EXPECT_NE(page.out.find("needed"), std::string::npos) << page.out;
}

TEST(Weights, ListsTensorsUnderPyTorchsNames) {
  Folder folder;
  ASSERT_EQ(braid_command({"train", digits(), "--steps", "1", "--out", folder / "run"}).code, 0);
  auto json = braid_command({"weights", folder / "run/weights.safetensors", "--json"}).json();
  std::map<std::string, Json> shapes;
  for (auto& tensor : json.at("tensors")) shapes[tensor.at("name")] = tensor.at("shape");
  std::map<std::string, Json> expected = {
      {"fc1.weight", {32, 64}},
      {"fc1.bias", {32}},
      {"bn1.weight", {32}},
      {"bn1.bias", {32}},
      {"bn1.running_mean", {32}},
      {"bn1.running_var", {32}},
      {"bn1.num_batches_tracked", Json::array()},
      {"fc2.weight", {10, 32}},
      {"fc2.bias", {10}},
  };
  EXPECT_EQ(shapes, expected);
}

TEST(Devices, NamesTheCpuAndNoGpu) {
  auto json = braid_command({"devices", "--json"}).json();
  auto& cpu = json.at("devices").at(0);
  EXPECT_EQ(cpu.at("kind"), "cpu");
  EXPECT_GE(cpu.at("cores"), 1);
  EXPECT_GE(cpu.at("numa_nodes"), 1);
  EXPECT_NE(cpu.at("isa"), "");
}

}  // namespace
}  // namespace braid::test
