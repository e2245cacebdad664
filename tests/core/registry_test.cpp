// Merges of several values at once: the registry makes one offer of those for each of them.
#include <gtest/gtest.h>

#include <braid/core/registry.h>

namespace braid {
namespace {

Signature two_pairs(int64_t n) {
  const Operand one{DType::f64, {n}}, other{DType::f32, {n, 2}};
  return {.op = "merge_last", .in = {one, other, one, other}, .out = {one, other}};
}

/// What was enqueued: of which pair (its left operand's dtype), and the parts' operands.
struct Enqueued {
  DType dtype;
  size_t signatures;
  std::vector<std::vector<void*>> operands;
  void* workspace;
  int64_t* status;
};

Registry registry_with(bool gang, std::vector<Enqueued>& log) {
  Registry registry;
  registry.add(OpDef{.name = "merge_last"});
  auto offer = [=, &log](const Signature& s, const DeviceTraits&) {
    const DType dtype = s.in[0].dtype;
    return std::optional(Offer{
        .impl = "test",
        .in_formats = {{}, {}},
        .out_formats = {{}},
        .alias = 1,
        .launch =
            [=, &log](std::span<const Signature> parts) {
              const size_t count = parts.size();
              for (auto& part : parts) EXPECT_EQ(part.in.size(), 2u);
              return Launch{[=, &log](const LaunchArgs& a) {
                              Enqueued e{dtype, count, {}, a.workspace, a.status};
                              for (auto& p : a.parts)
                                e.operands.push_back({p.inputs[0], p.inputs[1], p.outputs[0]});
                              log.push_back(e);
                            },
                            dtype == DType::f64 ? 512 : 256};
            },
        .gang = gang || dtype == DType::f32});
  };
  registry.add(Kernel{"merge_last", "cuda", offer});
  return registry;
}

TEST(JoinedMerges, EnqueueOnePairAfterTheOtherWithAllParts) {
  std::vector<Enqueued> log;
  const Registry registry = registry_with(true, log);
  const Offer offer = registry.offer(two_pairs(3), {.kind = "cuda"}).value();
  EXPECT_TRUE(offer.gang);
  EXPECT_FALSE(offer.bind);
  EXPECT_EQ(offer.alias, 2);  // the right side of the first pair
  EXPECT_EQ(offer.in_formats.size(), 4u);
  EXPECT_EQ(offer.out_formats.size(), 2u);

  const std::vector<Signature> parts = {two_pairs(3), two_pairs(3), two_pairs(3)};
  const Launch launch = offer.launch(parts);
  EXPECT_EQ(launch.workspace, 512);  // one after the other in a queue: they share it
  EXPECT_TRUE(log.empty());
  char memory[3][6], workspace[1];
  int64_t status[3];
  std::vector<std::vector<void*>> in, out;
  for (auto& m : memory) in.push_back({m, m + 1, m + 2, m + 3}), out.push_back({m + 4, m + 5});
  std::vector<KernelArgs> args;
  for (size_t i = 0; i < 3; ++i) args.push_back({.inputs = in[i].data(), .outputs = out[i].data()});
  launch.enqueue({.parts = args, .workspace = workspace, .status = status});
  ASSERT_EQ(log.size(), 2u);
  for (size_t pair = 0; pair < 2; ++pair) {
    EXPECT_EQ(log[pair].dtype, pair == 0 ? DType::f64 : DType::f32);
    EXPECT_EQ(log[pair].signatures, 3u);
    EXPECT_EQ(log[pair].workspace, workspace);
    EXPECT_EQ(log[pair].status, status);
    ASSERT_EQ(log[pair].operands.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      char* m = memory[i] + pair;
      EXPECT_EQ(log[pair].operands[i], (std::vector<void*>{m, m + 2, m + 4}));
    }
  }
}

TEST(JoinedMerges, AreGangedIfAllPairsAre) {
  std::vector<Enqueued> log;
  EXPECT_FALSE(registry_with(false, log).offer(two_pairs(3), {.kind = "cuda"}).value().gang);
}

}  // namespace
}  // namespace braid
