// Streams and events, without hardware: whatever a device does with what is enqueued, two commands
// that touch the same memory stand in one order. And no event edge is there in vain: each one that
// is left out is found.
#include <gtest/gtest.h>

#include <algorithm>

#include <braid/runtime/session.h>

#include "streams/recorder.h"
#include "support/models.h"

namespace braid::test {
namespace {

using test::Command;
using test::Recorder;

struct Deployed {
  std::string name;
  Model (*model)(int64_t replicas);
  int64_t replicas;
  int devices;
  std::string engine = "serial";
};

std::ostream& operator<<(std::ostream& out, const Deployed& d) { return out << d.name; }

Model mlp_model(int64_t replicas) { return mlp(replicas); }
Model conv_model(int64_t replicas) { return convnet(replicas); }
Model unet_model(int64_t replicas) { return unet(replicas); }
Model residual_model(int64_t replicas) { return residual(replicas); }
Model fast_unet_model(int64_t replicas) {
  Model model = unet(replicas);
  model.reduce = Reduce::fast;
  return model;
}

class Streams : public ::testing::TestWithParam<Deployed> {
 protected:
  // One step, written down.
  void run() {
    auto& p = GetParam();
    Model model = p.model(p.replicas);
    std::vector<std::string> devices;  // placements on one GPU, or GPUs, which alone have sums
    for (int d = 0; d < p.devices; ++d)
      devices.push_back(model.reduce == Reduce::fast ? "cuda:" + std::to_string(d) : "cuda:0");
    SessionOptions options{.devices = devices,
                           .engine = p.engine,
                           .disabled = {"replay"},
                           .backend = test::make_recording_backend(recorder)};
    session = std::make_unique<Session>(std::move(model), options);
    const int64_t batch = 2 * p.replicas + 1;
    auto& executor = session->executor(Mode::train, batch);
    executor.on_step([this](int step) { recorder.at_step(step); });
    std::vector<std::vector<std::byte>> memory;
    std::vector<const void*> inputs;
    for (auto& input : session->model().inputs) {
      memory.emplace_back(size_t(input.type.bytes(batch)));
      inputs.push_back(memory.back().data());
    }
    recorder.restart();
    executor.run({.inputs = inputs, .scalars = {.lr = 0.1}});
    plan = &executor.plan();
  }

  Recorder recorder;
  std::unique_ptr<Session> session;
  const Plan* plan = nullptr;
};

TEST_P(Streams, WhatTouchesTheSameMemoryIsOrdered) {
  run();
  EXPECT_EQ(recorder.judge(), std::vector<std::string>{});
  EXPECT_EQ(recorder.judge_plan(*plan), std::vector<std::string>{});
}

TEST_P(Streams, EachEventEdgeThatIsLeftOutIsFound) {
  run();
  if (recorder.waits().size() > 1500) GTEST_SKIP() << "too many edges to leave out one by one";
  size_t by_memory = 0, waits = 0;
  for (size_t wait : recorder.waits()) {
    const bool memory = !recorder.judge(int(wait), 1).empty();
    EXPECT_TRUE(memory || !recorder.judge_plan(*plan, int(wait), 1).empty())
        << "wait " << wait << " of queue " << recorder.commands()[wait].queue
        << " orders nothing: it is there in vain";
    ++waits;
    by_memory += memory;
  }
  EXPECT_GT(waits, size_t(0));
  RecordProperty("waits", int(waits));
  RecordProperty("found_by_memory", int(by_memory));
}

TEST_P(Streams, QueuesFollowFromThePlan) {
  run();
  EXPECT_GT(plan->streams, 1);
  std::vector<int> last(plan->devices.size() * size_t(plan->streams), -1);
  for (size_t s = 0; s < plan->strands.size(); ++s) {
    auto& strand = plan->strands[s];
    ASSERT_GE(strand.stream, 0);
    ASSERT_LT(strand.stream, plan->streams);
    for (int w : strand.waits) {
      EXPECT_TRUE(plan->strands[size_t(w)].event)
          << "nothing records what strand " << s << " awaits";
      EXPECT_LT(w, int(s));
    }
    auto& before = last[size_t(strand.device * plan->streams + strand.stream)];
    EXPECT_TRUE(before < 0 || std::ranges::binary_search(strand.preds, before))
        << "a queue has no order";
    before = int(s);
  }
}

// What goes from device to device goes in the order of the plan, whoever enqueues it and when.
TEST_P(Streams, MessagesGoOutInTheOrderOfThePlan) {
  for (int round = 0; round < 5; ++round) {
    run();
    std::vector<int> planned, enqueued;
    for (auto& strand : plan->strands)
      for (int step : strand.steps)
        if (between_devices(plan->steps[size_t(step)])) planned.push_back(step);
    for (auto& command : recorder.commands())
      if (command.step >= 0 && between_devices(plan->steps[size_t(command.step)]) &&
          (enqueued.empty() || enqueued.back() != command.step))
        enqueued.push_back(command.step);
    EXPECT_EQ(enqueued, planned);
    EXPECT_EQ(planned.empty(), plan->devices.size() == 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Plans, Streams,
                         ::testing::Values(Deployed{"mlp_on_one", mlp_model, 4, 1},
                                           Deployed{"mlp_on_two", mlp_model, 4, 2},
                                           Deployed{"mlp_on_three", mlp_model, 8, 3},
                                           Deployed{"mlp_by_tbb", mlp_model, 8, 2, "tbb"},
                                           Deployed{"mlp_by_threads", mlp_model, 8, 4, "threads"},
                                           Deployed{"unet_by_threads", unet_model, 8, 4, "threads"},
                                           Deployed{"convnet_on_one", conv_model, 8, 1},
                                           Deployed{"convnet_on_four", conv_model, 8, 4},
                                           Deployed{"residual_on_two", residual_model, 4, 2},
                                           Deployed{"unet_on_two", unet_model, 4, 2},
                                           Deployed{"fast_unet_on_two", fast_unet_model, 4, 2},
                                           Deployed{"fast_unet_by_threads", fast_unet_model, 7, 3,
                                                    "threads"}),
                         [](auto& info) { return info.param.name; });

}  // namespace
}  // namespace braid::test
