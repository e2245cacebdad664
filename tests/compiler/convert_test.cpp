// Conversions of whole networks: which batch norms change, what the report says, and that each way
// back gives the model as it was.
#include <braid/compiler/convert.h>
#include <gtest/gtest.h>

#include <set>

#include <braid/compiler/compile.h>
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>
#include <braid/nodes/isa.h>

namespace braid {
namespace {

Registry builtin() {
  Registry registry;
  register_builtin(registry);
  return registry;
}

// Every way to say `sync` and `freeze`, on every rank; and layers that are no batch norms.
constexpr const char* network = R"(braid: 1
name: ranks
replicas: 4
batch: {global: 32}
inputs:
  volume: {shape: [N, 3, 2, 4, 4], dtype: f32}
  label: {shape: [N], dtype: i64}
layers:
  - {name: bn3d, type: BatchNorm3d, from: volume, sync: 2}
  - {name: flat, type: Reshape, shape: [N, 6, 4, 4]}
  - {name: bn2d, type: BatchNorm2d, sync: none, freeze: stats}
  - {name: again, share: bn2d, from: bn2d}
  - {name: conv, type: Conv2d, out_channels: 8, kernel_size: 3}
  - {name: shallow, type: BatchNorm2d, track_running_stats: false, freeze: params}
  - {name: lines, type: Flatten}
  - {name: bn1d, type: BatchNorm1d, sync: all, momentum: null, eps_mode: clamp, freeze: true}
  - {name: fc, type: Linear, out_features: 10}
outputs: {logits: fc}
loss: {type: CrossEntropy, from: [fc, label]}
optimizer: {type: SGD, lr: 0.1}
)";

Model model_of(const std::string& text = network) {
  Diagnostics found;
  Model model = read_text(text, "net.yaml", {}, found);
  found.raise();
  return model;
}

// All that conversions may touch, of all layers; and the program, which anything else would change.
struct Print {
  std::vector<std::pair<std::optional<int>, Freeze>> settings;
  uint64_t program = 0;
  bool operator==(const Print&) const = default;
};

Print print_of(const Model& model, const Registry& registry) {
  Print print;
  for (auto& item : model.layers) print.settings.emplace_back(item.sync, item.freeze);
  CompileOptions options{.batch = 32};
  options.traits.isa = current_isa();
  print.program = compile(model, registry, options).program_hash;
  return print;
}

std::vector<std::string> changed(const ConversionReport& report) {
  std::vector<std::string> paths;
  for (auto& layer : report.layers)
    if (layer.changed()) paths.push_back(layer.path);
  return paths;
}

using Paths = std::vector<std::string>;

TEST(Convert, EveryBatchNormAndNothingElse) {
  Registry registry = builtin();
  Model model = model_of();
  auto before = model.layers;
  auto report = convert_sync_batchnorm(model, registry, 2);
  EXPECT_EQ(report.layers.size(), 5u);
  EXPECT_EQ(changed(report), (Paths{"bn2d", "again", "shallow", "bn1d"}));
  for (size_t i = 0; i < model.layers.size(); ++i) {
    bool norm = model.layers[i].type.starts_with("BatchNorm");
    EXPECT_EQ(model.layers[i].sync, norm ? 2 : before[i].sync) << model.layers[i].path;
    EXPECT_EQ(model.layers[i].freeze, before[i].freeze) << model.layers[i].path;
  }
}

TEST(Convert, TheRoundTripIsTheIdentity) {
  Registry registry = builtin();
  const Model original = model_of();
  const Print print = print_of(original, registry);
  for (int group : {0, 1, 2}) {
    Model model = original;
    auto report = convert_sync_batchnorm(model, registry, group);
    EXPECT_NE(print_of(model, registry), print) << group;
    revert(model, report);
    EXPECT_EQ(print_of(model, registry), print) << group;
  }
  for (auto* conversion : {&revert_sync_batchnorm, &freeze_batchnorm, &thaw_batchnorm}) {
    Model model = original;
    auto report = conversion(model, registry);
    EXPECT_NE(print_of(model, registry), print);
    revert(model, report);
    EXPECT_EQ(print_of(model, registry), print);
  }
}

TEST(Convert, SeveralAreUndoneInReverseOrder) {
  Registry registry = builtin();
  Model model = model_of();
  const Print print = print_of(model, registry);
  auto first = convert_sync_batchnorm(model, registry);
  auto second = freeze_batchnorm(model, registry);
  auto third = revert_sync_batchnorm(model, registry);
  auto after = print_of(model, registry);
  try {
    revert(model, first);
    ADD_FAILURE() << "the first was undone first";
  } catch (const Error& e) {
    EXPECT_EQ(e.diagnostics()[0].code, "E0292");
    EXPECT_NE(std::string(e.what()).find("'bn3d' was changed since"), std::string::npos)
        << e.what();
    EXPECT_NE(std::string(e.what()).find("net.yaml:9:"), std::string::npos) << e.what();
  }
  EXPECT_EQ(print_of(model, registry), after);
  revert(model, third);
  revert(model, second);
  revert(model, first);
  EXPECT_EQ(print_of(model, registry), print);
}

TEST(Convert, AReportOfAnotherModelIsRefused) {
  Registry registry = builtin();
  Model model = model_of(), other = model_of();
  other.layers.erase(other.layers.begin());
  for (auto& item : other.layers)
    for (auto& link : item.from) link.index -= link.kind == Link::Kind::layer;
  auto report = convert_sync_batchnorm(model, registry);
  auto layers = other.layers;
  EXPECT_THROW(revert(other, report), Error);
  for (size_t i = 0; i < layers.size(); ++i) EXPECT_EQ(other.layers[i].sync, layers[i].sync);
}

// The registry says what a batch norm is: a name does not make one, nor does its lack prevent it.
TEST(Convert, TheRegistryDecides) {
  Registry registry = builtin();
  LayerDef mine = *registry.layer("BatchNorm2d"), plain = mine;
  mine.name = "MyNorm";
  plain.batch_norm = false;
  registry.add(mine);
  registry.add(plain);
  Model model = model_of();
  model.layers[5].type = "MyNorm";  // shallow
  EXPECT_EQ(changed(revert_sync_batchnorm(model, registry)), (Paths{"bn3d", "shallow", "bn1d"}));
}

TEST(Convert, StatisticsFreezeAndThaw) {
  Registry registry = builtin();
  Model model = model_of();
  auto report = freeze_batchnorm(model, registry);
  EXPECT_EQ(changed(report), (Paths{"bn3d"}));
  EXPECT_EQ(model.layers[0].freeze, Freeze::stats);
  EXPECT_EQ(report.layers[3].note, "track_running_stats is false: it has no statistics to freeze");
  EXPECT_EQ(model.layers[5].freeze, Freeze::params);
  report = thaw_batchnorm(model, registry);
  EXPECT_EQ(changed(report), (Paths{"bn3d", "bn2d", "again", "bn1d"}));
  EXPECT_EQ(model.layers[0].freeze, Freeze::none);
  EXPECT_EQ(model.layers[7].freeze, Freeze::params);  // its weight and bias were frozen before
}

// A shared use without statistics of its own asks the layer that it shares with.
TEST(Convert, SharedLayersAskTheirOwner) {
  Registry registry = builtin();
  Model model = model_of();
  set(model.layers[2].params, "track_running_stats", false);
  model.layers[2].freeze = model.layers[3].freeze = Freeze::none;
  EXPECT_EQ(changed(freeze_batchnorm(model, registry)), (Paths{"bn3d"}));
}

// `bn3d` and `shallow` are not frozen. Running statistics are merged over all in any case, and
// `shallow` has none: in eval it still uses the batch's own. Each for itself is no synchronization.
TEST(Convert, MomentsAreMergedOverTheGroup) {
  Registry registry = builtin();
  auto groups = [&](const Model& model, Mode mode) {
    CompileOptions options{.mode = mode, .batch = 32};
    options.traits.isa = current_isa();
    std::multiset<int> groups;
    for (auto& sync : compile(model, registry, options).syncs)
      if (sync.merge == "chan") groups.insert(sync.group);
    return groups;
  };
  using Groups = std::multiset<int>;
  Model model = model_of();
  convert_sync_batchnorm(model, registry);
  EXPECT_EQ(groups(model, Mode::train), (Groups{0, 0}));
  EXPECT_EQ(groups(model, Mode::eval), (Groups{0}));
  convert_sync_batchnorm(model, registry, 2);
  EXPECT_EQ(groups(model, Mode::train), (Groups{0, 2, 2}));
  revert_sync_batchnorm(model, registry);
  EXPECT_EQ(groups(model, Mode::train), (Groups{0}));
  EXPECT_EQ(groups(model, Mode::eval), (Groups{}));
}

TEST(Convert, WrongGroupsLeaveTheModelAsItWas) {
  Registry registry = builtin();
  Model model = model_of();
  const Print print = print_of(model, registry);
  auto code = [&](int group) {
    try {
      convert_sync_batchnorm(model, registry, group);
    } catch (const Error& e) {
      return e.diagnostics()[0].code;
    }
    return std::string("none");
  };
  EXPECT_EQ(code(3), "E0210");
  EXPECT_EQ(code(-1), "E0291");
  EXPECT_EQ(print_of(model, registry), print);
  model.layers.back().type = "Linaer";
  EXPECT_EQ(code(2), "E0103");
  EXPECT_EQ(model.layers[2].sync, 1);
  model.layers.back().type = "Linear";
  EXPECT_EQ(code(8), "none");  // more than there are: all, as in a file with fewer replicas
}

TEST(Convert, TheReportIsATable) {
  Registry registry = builtin();
  Model model = model_of();
  EXPECT_EQ(to_string(convert_sync_batchnorm(model, registry)),
            R"(batch norm  type         at              before      after       note
bn3d        BatchNorm3d  net.yaml:9:12   sync: 2     sync: all
bn2d        BatchNorm2d  net.yaml:11:12  sync: none  sync: all   frozen: it tells once it is thawed
again       BatchNorm2d  net.yaml:11:12  sync: none  sync: all   frozen: it tells once it is thawed
shallow     BatchNorm2d  net.yaml:14:12              left alone  it synchronizes like this already
bn1d        BatchNorm1d  net.yaml:16:12              left alone  it synchronizes like this already
3 of 5 batch norms converted
)");
  EXPECT_EQ(to_string(ConversionReport{}),
            "batch norm  type  at  before  after  note\n0 of 0 batch norms converted\n");
}

}  // namespace
}  // namespace braid
