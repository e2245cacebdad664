// What the passes promise: where syncs stand, how their trees look, what exists once, and that no
// two values share memory at the same time.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include <braid/compiler/compile.h>
#include <braid/nodes/builtin.h>
#include <braid/nodes/isa.h>

namespace braid {
namespace {

const Registry& registry() {
  static const Registry all = [] {
    Registry r;
    register_builtin(r);
    return r;
  }();
  return all;
}

LayerItem item(std::string path, std::string type, int from, Dict params = {}) {
  LayerItem made{.path = std::move(path), .type = std::move(type), .params = std::move(params)};
  made.from = {from < 0 ? Link::input(0) : Link::layer(from)};
  return made;
}

// conv - bn - relu - pool - flatten - fc, with a residual that reads conv's output twice.
Model model_of(int replicas, int sync = 0) {
  Model m;
  m.name = "m";
  m.replicas = replicas;
  m.inputs = {{"image", {DType::f32, {N, 3, 9, 9}}}, {"label", {DType::i64, {N}}}};
  m.layers = {item("conv", "Conv2d", -1, {{"out_channels", 16}, {"kernel_size", 3}}),
              item("bn", "BatchNorm2d", 0),
              item("relu", "ReLU", 1),
              item("add", "Add", 2),
              item("flat", "Flatten", 3),
              item("fc", "Linear", 4, {{"out_features", 10}})};
  m.layers[1].sync = sync;
  m.layers[3].from.push_back(Link::layer(0));
  m.losses = {{.name = "loss", .type = "CrossEntropy", .from = {Link::layer(5), Link::input(1)}}};
  m.optimizer = TypedDict{.type = "SGD", .params = {{"lr", 0.1}, {"momentum", 0.9}}};
  return m;
}

Plan plan_of(const Model& model, int64_t batch, int devices = 1,
             std::set<std::string> disabled = {}, Mode mode = Mode::train) {
  CompileOptions options{.mode = mode, .batch = batch, .disabled = std::move(disabled)};
  options.devices.clear();
  for (int d = 0; d < devices; ++d) options.devices.push_back("cpu:" + std::to_string(d));
  options.traits.isa = current_isa();
  return compile(model, registry(), options);
}

std::multiset<std::string> syncs(const Plan& plan) {
  std::multiset<std::string> all;
  for (auto& s : plan.syncs)
    all.insert(s.layer + " " + s.merge + (s.backward ? " backward" : "") +
               (s.group ? " /" + std::to_string(s.group) : ""));
  return all;
}

TEST(Synchronize, IsDerivedFromWhereTheBatchIsLost) {
  auto plan = plan_of(model_of(4), 16);
  EXPECT_EQ(syncs(plan),
            (std::multiset<std::string>{
                "bn chan",                                 // moments, for everybody
                "bn sum backward",                         // (sum g, sum g*xhat): dx, dgamma, dbeta
                "conv sum backward", "conv sum backward",  // weight, bias
                "fc sum backward", "fc sum backward", "loss sum", "loss sum"}));  // sum, count
}

TEST(Synchronize, AGroupNormalizesByItsOwnMomentsAndRunsByAll) {
  auto plan = plan_of(model_of(4, 2), 16);
  auto all = syncs(plan);
  EXPECT_EQ(all.count("bn chan /2"), 1u);
  EXPECT_EQ(all.count("bn chan"), 1u);
  EXPECT_EQ(all.count("bn sum backward /2"), 1u);
  EXPECT_EQ(all.count("bn sum backward"), 1u);
}

TEST(Synchronize, EvalHasNone) {
  auto plan = plan_of(model_of(4), 16, 1, {}, Mode::eval);
  EXPECT_EQ(syncs(plan), (std::multiset<std::string>{"loss sum", "loss sum"}));
}

// The left subtree is the largest power of two below R.
TEST(Replicate, TheTreeOfMergesDependsOnTheReplicasAlone) {
  std::map<int, std::set<std::pair<int, int>>> trees = {
      {1, {}},
      {2, {{0, 2}}},
      {3, {{0, 2}, {0, 3}}},
      {5, {{0, 2}, {2, 4}, {0, 4}, {0, 5}}},
      {6, {{0, 2}, {2, 4}, {0, 4}, {4, 6}, {0, 6}}},
      {7, {{0, 2}, {2, 4}, {0, 4}, {4, 6}, {4, 7}, {0, 7}}}};
  for (auto& [replicas, tree] : trees)
    for (int devices = 1; devices <= replicas; ++devices) {
      auto plan = plan_of(model_of(replicas), 4 * replicas, devices);
      std::set<std::pair<int, int>> found;
      for (auto& step : plan.steps)
        if (step.kind == StepKind::kernel && step.hi > step.lo) found.emplace(step.lo, step.hi);
      EXPECT_EQ(found, tree) << replicas << " replicas on " << devices;
    }
}

TEST(Replicate, EmptySlicesAreSkippedLeaves) {
  auto plan = plan_of(model_of(4), 3);
  EXPECT_EQ(plan.slices, (std::vector<std::vector<int64_t>>{{1, 1, 1, 0}}));
  for (auto& step : plan.steps) {
    EXPECT_LT(step.replica, 3);
    EXPECT_FALSE(step.lo == 2 && step.hi == 4);
  }
  EXPECT_EQ(plan.syncs[0].participants, 3);
}

TEST(Place, WhatIsCommonExistsOnceAndTheOptimizerRunsOnEveryDevice) {
  for (int devices : {1, 2, 4}) {
    auto plan = plan_of(model_of(4), 16, devices);
    std::map<std::string, int> updates;
    int gates = 0;
    for (auto& step : plan.steps) {
      if (step.kind == StepKind::gate) ++gates;
      if (step.gated && plan.nodes[size_t(step.node)].op.starts_with("sgd"))
        ++updates[plan.nodes[size_t(step.node)].label];
    }
    EXPECT_EQ(gates, 1);
    EXPECT_EQ(updates.size(), 6u);  // conv, bn, fc: weight and bias each
    for (auto& [key, count] : updates) EXPECT_EQ(count, devices) << key;
  }
}

TEST(Place, TransfersOnlyWhereDevicesDiffer) {
  auto transfers = [](const Plan& plan) {
    return std::ranges::count(plan.steps, StepKind::transfer, &Step::kind);
  };
  EXPECT_EQ(transfers(plan_of(model_of(4), 16, 1)), 0);
  EXPECT_GT(transfers(plan_of(model_of(4), 16, 2)), 0);
}

TEST(Hashes, TheProgramIsTheSameOnAllDevicesAndChangesWithTheArithmetic) {
  auto one = plan_of(model_of(4), 16, 1), four = plan_of(model_of(4), 16, 4);
  EXPECT_EQ(one.program_hash, four.program_hash);
  EXPECT_NE(one.plan_hash, four.plan_hash);
  EXPECT_EQ(one.plan_hash, plan_of(model_of(4), 16, 1).plan_hash);
  EXPECT_NE(one.program_hash, plan_of(model_of(2), 16).program_hash);
  EXPECT_NE(one.program_hash, plan_of(model_of(4, 2), 16).program_hash);
  EXPECT_NE(one.program_hash, plan_of(model_of(4), 15).program_hash);
  auto other = model_of(4);
  set(other.optimizer->params, "momentum", 0.8);
  EXPECT_NE(one.program_hash, plan_of(other, 16).program_hash);
}

TEST(Fuse, ReluGoesIntoTheBatchNorm) {
  auto plan = plan_of(model_of(2), 8);
  for (auto& node : plan.nodes) EXPECT_FALSE(node.op == "relu" || node.op == "relu_grad");
  auto apart = plan_of(model_of(2), 8, 1, {"fuse"});
  EXPECT_EQ(std::ranges::count(apart.nodes, std::string("relu"), &NodeInfo::op), 1);
}

// conv - bn - add - relu, the conv's input besides; `from` is what the sum takes.
Model block(std::vector<int> from, int channels = 16) {
  Model m = model_of(2);
  m.inputs[0].type.shape = {N, channels, 9, 9};
  m.layers = {item("first", "Conv2d", -1, {{"out_channels", 16}, {"kernel_size", 1}}),
              item("conv", "Conv2d", 0, {{"out_channels", 16}, {"kernel_size", 1}}),
              item("bn", "BatchNorm2d", 1),
              item("add", "Add", from[0]),
              item("relu", "ReLU", 3),
              item("last", "Conv2d", 4, {{"out_channels", 16}, {"kernel_size", 1}}),
              item("flat", "Flatten", 5),
              item("fc", "Linear", 6, {{"out_features", 10}})};
  for (size_t i = 1; i < from.size(); ++i)
    m.layers[3].from.push_back(from[i] < 0 ? Link::input(0) : Link::layer(from[i]));
  m.losses[0].from[0] = Link::layer(7);
  return m;
}

// How often the operations are there that make or take the sum.
std::map<std::string, int> sums(const Plan& plan) {
  static const std::set<std::string> ops = {"normalize", "normalize_add", "normalize_eval_add",
                                            "add",       "relu",          "relu_grad",
                                            "bn_reduce", "bn_relu_reduce"};
  std::map<std::string, int> count;
  for (auto& node : plan.nodes)
    if (ops.contains(node.op)) ++count[node.op];
  return count;
}

using Ops = std::map<std::string, int>;
const Ops joined = {{"normalize_add", 1}, {"bn_relu_reduce", 1}, {"add", 1}};  // of gradients
const Ops apart = {{"normalize", 1}, {"bn_reduce", 1}, {"add", 2}, {"relu", 1}, {"relu_grad", 1}};

TEST(FuseAdd, TheSumGoesIntoTheBatchNorm) {
  EXPECT_EQ(sums(plan_of(block({2, 0}), 8)), joined);
  EXPECT_EQ(sums(plan_of(block({0, 2}), 8)), joined);
  EXPECT_EQ(sums(plan_of(block({2, 0}), 8, 1, {"fuse_add"})), apart);
  EXPECT_EQ(sums(plan_of(block({2, 0}), 8, 1, {}, Mode::eval)), (Ops{{"normalize_eval_add", 1}}));
}

TEST(FuseAdd, NotWhereTheBatchNormHasAnotherReader) {
  Model twice = block({2, 0});
  twice.layers[6].from = {Link::layer(2)};
  EXPECT_FALSE(sums(plan_of(twice, 8)).contains("normalize_add"));
  EXPECT_FALSE(sums(plan_of(block({2, 2}), 8)).contains("normalize_add"));
  Model shown = block({2, 0});
  shown.outputs = {{"bn", Link::layer(2)}};
  CompileOptions options{.batch = 8, .wanted = {"loss", "bn"}};
  options.traits.isa = current_isa();
  EXPECT_EQ(sums(compile(shown, registry(), options)),
            (Ops{{"normalize", 1}, {"bn_relu_reduce", 1}, {"add", 2}, {"relu", 1}}));
}

TEST(FuseAdd, AReluStaysWhereTheSumHasAnotherReader) {
  Model m = block({2, 0});
  m.layers[5] = item("last", "Add", 4);
  m.layers[5].from.push_back(Link::layer(3));
  EXPECT_EQ(
      sums(plan_of(m, 8)),
      (Ops{{"normalize_add", 1}, {"relu", 1}, {"relu_grad", 1}, {"bn_reduce", 1}, {"add", 3}}));
}

// The convolution's result lies in blocks of channels, the input does not.
TEST(FuseAdd, NotWhereTheOtherLiesDifferently) {
  EXPECT_FALSE(sums(plan_of(block({-1, 2}), 8)).contains("normalize_add"));
  EXPECT_TRUE(sums(plan_of(block({0, 2}), 8)).contains("normalize_add"));
}

// ---- memory -----------------------------------------------------------------------------------

// Which steps are done before a step: by the lanes and the edges between strands, worked out anew.
class Precedence {
 public:
  explicit Precedence(const Plan& plan) : plan_(plan), before_(plan.strands.size()) {
    for (size_t s = 0; s < plan.strands.size(); ++s) {
      before_[s].assign(plan.strands.size(), false);
      for (int q : plan.strands[s].preds) {
        before_[s][size_t(q)] = true;
        for (size_t k = 0; k < plan.strands.size(); ++k)
          if (before_[size_t(q)][k]) before_[s][k] = true;
      }
      for (size_t k = 0; k < plan.strands[s].steps.size(); ++k)
        position_[plan.strands[s].steps[k]] = int(k);
    }
  }
  bool operator()(int a, int b) const {
    int sa = plan_.steps[size_t(a)].strand, sb = plan_.steps[size_t(b)].strand;
    return sa == sb ? position_.at(a) < position_.at(b) : before_[size_t(sb)][size_t(sa)];
  }

 private:
  const Plan& plan_;
  std::vector<std::vector<bool>> before_;
  std::map<int, int> position_;
};

// The number of pairs of values that share memory while both may be alive. A value that takes over
// its input's memory meets it in the one step that reads the one and writes the other.
int clashes(const Plan& plan) {
  Precedence precedes(plan);
  std::vector<std::vector<int>> users(plan.slots.size());
  std::vector<int> maker(plan.slots.size(), -1);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    for (int s : plan.in(plan.steps[i])) users[size_t(s)].push_back(int(i));
    for (int s : plan.out(plan.steps[i])) maker[size_t(s)] = int(i);
  }
  std::set<int> results;
  for (auto& r : plan.results) results.insert(r.slots.begin(), r.slots.end());
  auto dead_before = [&](int a, int b) {  // all users of a are done when b is made
    if (results.contains(a)) return false;
    int made = maker[size_t(b)];
    auto& step = plan.steps[size_t(made)];
    int alias = step.kernel < 0 ? -1 : plan.kernels[size_t(step.kernel)].alias;
    bool takes_over = alias >= 0 && plan.in(step)[size_t(alias)] == a && plan.out(step)[0] == b;
    return precedes(maker[size_t(a)], made) && std::ranges::all_of(users[size_t(a)], [&](int u) {
             return precedes(u, made) || (takes_over && u == made);
           });
  };
  int found = 0;
  for (int a = 0; a < int(plan.slots.size()); ++a)
    for (int b = a + 1; b < int(plan.slots.size()); ++b) {
      auto &x = plan.slots[size_t(a)], &y = plan.slots[size_t(b)];
      bool arena = maker[size_t(a)] >= 0 && maker[size_t(b)] >= 0;
      bool overlap = arena && x.device == y.device && x.offset < y.offset + y.bytes &&
                     y.offset < x.offset + x.bytes;
      if (overlap && !dead_before(a, b) && !dead_before(b, a)) ++found;
    }
  return found;
}

TEST(LayOut, NoTwoLiveValuesShareMemory) {
  for (int replicas : {1, 3, 4})
    for (int devices = 1; devices <= replicas; ++devices)
      for (auto& disabled : {std::set<std::string>{}, {"window"}, {"alias"}}) {
        auto plan = plan_of(model_of(replicas), 4 * replicas, devices, disabled);
        EXPECT_EQ(clashes(plan), 0) << replicas << " on " << devices;
      }
}

TEST(LayOut, TheCheckItselfSeesAClash) {
  auto plan = plan_of(model_of(2), 8);
  for (auto& slot : plan.slots)
    if (slot.state < 0 && slot.input < 0) slot.offset = 0;
  EXPECT_GT(clashes(plan), 0);
}

TEST(LayOut, ReuseSavesMemory) {
  auto with = plan_of(model_of(4), 64), without = plan_of(model_of(4), 64, 1, {"reuse", "alias"});
  EXPECT_LT(with.arena[0], without.arena[0] * 7 / 10);
  EXPECT_EQ(without.arena[0], without.arena_without_reuse);
}

TEST(Weave, StrandsAreInTopologicalOrderAndCoverEveryStep) {
  auto plan = plan_of(model_of(5), 20, 3);
  std::vector<int> seen(plan.steps.size(), 0);
  for (size_t s = 0; s < plan.strands.size(); ++s) {
    for (int q : plan.strands[s].preds) EXPECT_LT(q, int(s));
    for (int i : plan.strands[s].steps) {
      ++seen[size_t(i)];
      EXPECT_EQ(plan.steps[size_t(i)].strand, int(s));
      EXPECT_EQ(plan.steps[size_t(i)].device, plan.strands[s].device);
    }
  }
  for (int count : seen) EXPECT_EQ(count, 1);
}

// ---- deployment -------------------------------------------------------------------------------

void expect_error(Fault fault, const std::string& part, const Model& model, int64_t batch,
                  std::vector<std::string> devices) {
  try {
    CompileOptions options{.batch = batch, .devices = std::move(devices)};
    options.traits.isa = current_isa();
    compile(model, registry(), options);
    FAIL() << "no error that says: " << part;
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), fault);
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(Deployment, FaultsAreNamed) {
  expect_error(Fault::device, "3 devices for 2 replicas", model_of(2), 8,
               {"cpu", "cpu:1", "cpu:2"});
  for (auto name : {"cuda:0", "cpu:abc", "cpu:", "cpux", "", "cpu:-1"})
    expect_error(Fault::device, "'" + std::string(name) + "'", model_of(2), 8, {name});
  expect_error(Fault::model, "replicas is -1",
               [] {
                 auto m = model_of(2);
                 m.replicas = -1;
                 return m;
               }(),
               8, {"cpu"});
  expect_error(Fault::model, "1,000,000 copies",
               [] {
                 auto m = model_of(4096);
                 m.layers.resize(400, m.layers[1]);
                 return m;
               }(),
               8, {"cpu"});
}

}  // namespace
}  // namespace braid
