// Which syncs share a node, and which must not.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include <braid/compiler/compile.h>
#include <braid/compiler/inspect.h>
#include <braid/nodes/builtin.h>
#include <braid/nodes/isa.h>

namespace braid {
namespace {

// Convolutions with batch norm, put together by hand.
class Net {
 public:
  explicit Net(int replicas) {
    m_.name = "net";
    m_.replicas = replicas;
    m_.inputs = {{"image", {DType::f32, {N, 3, 8, 8}}}, {"label", {DType::i64, {N}}}};
  }

  int add(std::string path, std::string type, std::vector<int> from, Dict params = {}) {
    LayerItem item{.path = std::move(path), .type = std::move(type), .params = std::move(params)};
    for (int f : from) item.from.push_back(f < 0 ? Link::input(0) : Link::layer(f));
    m_.layers.push_back(std::move(item));
    return int(m_.layers.size()) - 1;
  }

  int conv_bn(const std::string& name, int from, int sync = 0) {
    int conv = add(name, "Conv2d", {from},
                   {{"out_channels", 4}, {"kernel_size", 3}, {"padding", 1}, {"bias", false}});
    int bn = add(name + "_bn", "BatchNorm2d", {conv});
    m_.layers.back().sync = sync;
    return bn;
  }

  Model done(int from) {
    int fc = add("fc", "Linear", {add("flat", "Flatten", {from})}, {{"out_features", 10}});
    std::vector<Link> links = {Link::layer(fc), Link::input(1)};
    m_.losses = {{.name = "loss", .type = "CrossEntropy", .from = links}};
    m_.metrics = {{.name = "accuracy", .type = "Accuracy", .from = links}};
    m_.optimizer = TypedDict{.type = "SGD", .params = {{"lr", 0.1}, {"momentum", 0.9}}};
    return m_;
  }

 private:
  Model m_;
};

Model residual(int replicas, int sync_main = 0, int sync_short = 0) {
  Net net(replicas);
  int main = net.conv_bn("b", net.conv_bn("a", -1, sync_main), sync_main);
  return net.done(net.add("add", "Add", {main, net.conv_bn("s", -1, sync_short)}));
}

Plan plan_of(const Model& model, int64_t batch, int devices = 1,
             std::set<std::string> disabled = {}, std::vector<HookSpec> hooks = {}) {
  Registry registry;
  register_builtin(registry);
  CompileOptions options{.batch = batch, .disabled = std::move(disabled)};
  options.hooks = std::move(hooks);
  options.devices.clear();
  for (int d = 0; d < devices; ++d) options.devices.push_back("cpu:" + std::to_string(d));
  options.traits.isa = current_isa();
  return compile(model, registry, options);
}

// The points that travel together, those that travel alone left out: "a_bn moments".
std::multiset<std::set<std::string>> shared(const Plan& plan, const std::string& op = {}) {
  std::map<int, std::multiset<std::string>> exchanges;
  for (auto& s : plan.syncs)
    exchanges[s.node].insert(s.layer + " " + (s.variable.empty() ? s.op : s.variable));
  std::multiset<std::set<std::string>> all;
  for (auto& [node, points] : exchanges)
    if (points.size() > 1 && points.begin()->find(op) != std::string::npos)
      all.insert({points.begin(), points.end()});
  return all;
}

using Shared = std::multiset<std::set<std::string>>;

TEST(Bundle, AShortcutSharesWithItsMainBranch) {
  auto plan = plan_of(residual(4), 16);
  EXPECT_EQ(shared(plan, "moments"), (Shared{{"a_bn moments", "s_bn moments"}}));
  EXPECT_EQ(shared(plan, "bn_reduce"), (Shared{{"b_bn bn_reduce", "s_bn bn_reduce"}}));
  EXPECT_EQ(shared(plan_of(residual(4), 16, 1, {"bundle"})), Shared{});
}

TEST(Bundle, AChainHasNone) {
  Net net(4);
  auto plan = plan_of(net.done(net.conv_bn("b", net.conv_bn("a", -1))), 16);
  EXPECT_EQ(shared(plan, "moments"), Shared{});
  EXPECT_EQ(shared(plan, "bn_reduce"), Shared{});
}

TEST(Bundle, TwoTowersGoSideBySide) {
  Net net(4);
  int left = net.conv_bn("b", net.conv_bn("a", -1)), right = net.conv_bn("d", net.conv_bn("c", -1));
  auto plan = plan_of(net.done(net.add("add", "Add", {left, right})), 16);
  EXPECT_EQ(shared(plan, "moments"),
            (Shared{{"a_bn moments", "c_bn moments"}, {"b_bn moments", "d_bn moments"}}));
  EXPECT_EQ(shared(plan, "bn_reduce"),
            (Shared{{"a_bn bn_reduce", "c_bn bn_reduce"}, {"b_bn bn_reduce", "d_bn bn_reduce"}}));
}

// What is needed only far ahead must not hold up the chain that leads there.
TEST(Bundle, ALongChainDoesNotWaitForASideBranch) {
  auto shares = [](int length) {
    Net net(4);
    int main = -1;
    for (int i = 0; i < length; ++i) main = net.conv_bn("m" + std::to_string(i), main);
    auto plan = plan_of(net.done(net.add("add", "Add", {main, net.conv_bn("s", -1)})), 16);
    return shared(plan, "moments").size();
  };
  EXPECT_EQ(shares(5), 1u);
  EXPECT_EQ(shares(6), 0u);
}

TEST(Bundle, GroupsAreKeptApartAndGroupsOfOneAreNoSyncPoints) {
  EXPECT_EQ(shared(plan_of(residual(4, 0, 2), 16), "moments"), Shared{});
  // dx is by group; dgamma and dbeta are over all replicas, and nobody waits for them.
  EXPECT_EQ(shared(plan_of(residual(4, 2, 2), 16), "bn_reduce"),
            (Shared{{"b_bn bn_reduce", "s_bn bn_reduce"},
                    {"a_bn bn_reduce", "b_bn bn_reduce", "s_bn bn_reduce"}}));
  auto none = plan_of(residual(4, 1, 1), 16);
  for (auto& s : none.syncs) EXPECT_NE(s.group, 1);
  // So are running statistics.
  EXPECT_EQ(shared(none, "moments"), (Shared{{"a_bn moments", "b_bn moments", "s_bn moments"}}));
}

TEST(Bundle, MicroBatchesAreKeptApart) {
  auto model = residual(4);
  model.batch.accumulate = 2;
  for (int64_t batch : {16, 7, 5}) {  // 7: 4 and 3 samples; 5: 3 and 2
    Shared twice{{"a_bn moments", "s_bn moments"}, {"a_bn moments", "s_bn moments"}};
    EXPECT_EQ(shared(plan_of(model, batch), "moments"), twice) << batch;
  }
}

TEST(Bundle, TheCountOfALossIsNotHeldUpByItsSum) {
  auto plan = plan_of(residual(4), 16);
  EXPECT_EQ(shared(plan, "accuracy"),
            (Shared{{"accuracy correct", "accuracy xent_count", "loss xent"}}));
}

TEST(Bundle, LargeGradientsGoByLayerAndSmallOnesTogether) {
  Net net(2);
  int large =
      net.add("large", "Linear", {net.add("flatten", "Flatten", {-1})}, {{"out_features", 300}});
  int small = net.add("small", "Linear", {large}, {{"out_features", 20}});
  auto plan = plan_of(net.done(small), 16);
  EXPECT_EQ(shared(plan, "weight"), Shared{});  // "bias" comes first
  EXPECT_EQ(shared(plan, "bias"), (Shared{{"large bias", "large weight"},
                                          {"fc bias", "fc weight", "small bias", "small weight"}}));
}

TEST(Bundle, OneTransferTakesAllThatTwoDevicesExchange) {
  auto with = inspect(plan_of(residual(2), 16, 2)),
       without = inspect(plan_of(residual(2), 16, 2, {"bundle"}));
  EXPECT_EQ(with.transfer_bytes, without.transfer_bytes);
  EXPECT_EQ(with.syncs_forward, without.syncs_forward);
  EXPECT_EQ(with.syncs_backward, without.syncs_backward);
  EXPECT_EQ(without.exchanges(), without.syncs_forward + without.syncs_backward);
  EXPECT_EQ(with.exchanges(), with.device_exchanges);
  EXPECT_LT(with.exchanges(), without.exchanges());
  // There and back again, but for what only the host reads.
  EXPECT_EQ(with.transfers, 2 * with.exchanges() - 1);
}

// Merged moments that a hook sees are there before any replica's step; a hook on losses sees what
// otherwise only the host reads.
TEST(Bundle, HooksThatReadChangeNone) {
  std::vector<HookSpec> hooks = {
      {.kind = HookKind::stats, .name = "moments", .type = "BatchNorm2d"},
      {.kind = HookKind::backward, .name = "gradients", .layer = "b"},
      {.kind = HookKind::step, .name = "loss"}};
  auto plain = plan_of(residual(4), 16), watched = plan_of(residual(4), 16, 1, {}, hooks);
  EXPECT_EQ(shared(watched), shared(plain));
  EXPECT_EQ(watched.program_hash, plain.program_hash);
}

TEST(Bundle, TheProgramIsTheSameOnAllDevices) {
  auto one = plan_of(residual(4), 16), four = plan_of(residual(4), 16, 4);
  EXPECT_EQ(one.program_hash, four.program_hash);
  EXPECT_NE(one.program_hash, plan_of(residual(4), 16, 1, {"bundle"}).program_hash);
}

}  // namespace
}  // namespace braid
