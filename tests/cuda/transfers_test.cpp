// What goes from one placement to another, on one GPU: by copies, and by NCCL, which then sends
// from the GPU to itself as it does between several. Emulated ones: tests/emulator.
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "backend.h"

namespace braid::test {
namespace {

class Placements : public ::testing::TestWithParam<Transport> {
 protected:
  static constexpr int64_t kCount = 100'003, kBytes = kCount * int64_t(sizeof(float));

  void SetUp() override {
    for (auto* side : {&source, &target}) {
      *side = backend->open("cuda:0");
      (*side)->set_transport(GetParam());
    }
    from = static_cast<float*>(source->allocate(kBytes));
    to = static_cast<float*>(target->allocate(kBytes));
  }
  void TearDown() override {
    if (!from || !to) return;
    DeviceMemory &a = *source, &b = *target;
    a.release(from);
    b.release(to);
  }

  std::vector<float> send(float first) {
    std::vector<float> values(kCount);
    std::iota(values.begin(), values.end(), first);
    source->write(from, values.data(), kBytes);
    return values;
  }
  std::vector<float> received() const {
    std::vector<float> values(kCount);
    target->read(values.data(), to, kBytes);
    return values;
  }
  void finish() {
    Event* event = target->make_event();
    target->record(target->queue(0), event);
    while (!target->done(event)) std::this_thread::yield();
    target->release(event);
  }
  void receive() {
    const int64_t half = kCount / 2;
    const CopyPiece pieces[] = {{to, from, half * 4}, {to + half, from + half, kBytes - half * 4}};
    target->receive(target->queue(0), *source, pieces);
  }

  std::unique_ptr<Backend> backend = cuda::make_backend();
  std::shared_ptr<Device> source, target;
  float *from = nullptr, *to = nullptr;
};

TEST_P(Placements, ReceiveFromEachOther) {
  const auto values = send(5);
  target->activate();
  receive();
  finish();
  EXPECT_EQ(received(), values);
}

TEST_P(Placements, ReplayTransfers) {
  target->activate();
  receive();
  finish();
  target->begin_recording(target->queue(0));
  receive();
  Recording* recording = target->end_recording(target->queue(0));
  for (float first : {10.f, 20.f}) {
    const auto values = send(first);
    target->activate();
    target->replay(target->queue(0), recording);
    finish();
    EXPECT_EQ(received(), values);
  }
  target->release(recording);
}

INSTANTIATE_TEST_SUITE_P(By, Placements, ::testing::Values(Transport::copies, Transport::nccl),
                         [](auto& info) {
                           return info.param == Transport::nccl ? "Nccl" : "Copies";
                         });

}  // namespace
}  // namespace braid::test
