// Ten thousand runs with random delays in random orders: the same bits every time, and an end.
#include "syncbn_rig.h"

namespace braid::test::syncbn {
namespace {

Model network() {
  Chain chain({N, 2, 5, 5}, 4);
  chain.add("conv", "Conv2d", {{"out_channels", 4}, {"kernel_size", 3}}).add("bn1", "BatchNorm2d");
  chain.add("relu", "ReLU").add("bn2", "BatchNorm2d");
  return chain.done();
}

TEST(SyncBnDelays, TenThousandRunsGiveTheSameBits) {
  SessionOptions options{.devices = {"cpu"}, .engine = "serial", .digest = true};
  Session serial(network(), options);
  options.devices = cpus(2), options.threads = 3, options.engine = "threads";
  Session delayed(network(), options);
  struct Batch {
    Arrays in, upstream;
    Backward result;
    std::vector<SyncDigest> syncs;
  };
  std::vector<Batch> batches;  // even, uneven, an empty slice, and one slice alone
  auto key = [](int64_t n) {
    return ProgramKey{
        .batch = n, .wanted = {"logits"}, .goal = Goal::backward, .write_state = false};
  };
  for (int64_t n : {8, 6, 3, 1}) {
    Batch b{{{"image", normal_array({n, 2, 5, 5}, 1)}},
            {{"logits", normal_array({n, 4, 3, 3}, 2)}}};
    b.result = serial.backward(b.in, b.upstream, {.write_state = false});
    b.syncs = serial.executor(key(n)).digests();
    batches.push_back(std::move(b));
  }
  for (size_t i = 0; i < 10000; ++i) {
    auto& b = batches[i % batches.size()];
    const auto got = delayed.backward(b.in, b.upstream, {.write_state = false});
    ASSERT_EQ(got.outputs, b.result.outputs) << "run " << i;
    ASSERT_EQ(got.inputs, b.result.inputs) << "run " << i;
    ASSERT_EQ(got.parameters, b.result.parameters) << "run " << i;
    ASSERT_EQ(delayed.executor(key(b.in.at("image").dims[0])).digests(), b.syncs) << "run " << i;
  }
}

}  // namespace
}  // namespace braid::test::syncbn
