// Transfers between placements by NCCL: one GPU that sends to itself, two and four.
#include <gtest/gtest.h>
#include <nccl.h>

#include <numeric>
#include <thread>

#include "backend.h"
#include "communicator.h"
#include "emulator.h"

namespace braid::test {
namespace {

constexpr int64_t kCount = 1000, kBytes = kCount * int64_t(sizeof(float));

/// Placements, one on each of some GPUs or several on one, and memory on them.
class Machines {
 public:
  explicit Machines(int gpus, int placements = 0) : backend_(cuda::make_backend()) {
    emulator::set_devices(gpus);
    for (int i = 0; i < std::max(gpus, placements); ++i) {
      devices.push_back(backend_->open("cuda:" + std::to_string(i % gpus)));
      devices.back()->set_transport(Transport::nccl);
    }
  }
  ~Machines() {
    for (auto& [device, memory] : memory_) device->release(memory);
    devices.clear();
    backend_.reset();
    emulator::fail_nccl(ncclSuccess);
    emulator::set_devices(1);
  }

  float* allocate(size_t device, float value) {
    DeviceMemory& d = *devices[device];
    void* memory = d.allocate(kBytes);
    memory_.emplace_back(devices[device], memory);
    std::vector<float> values(kCount, value);
    std::iota(values.begin(), values.end(), value);
    d.write(memory, values.data(), kBytes);
    return static_cast<float*>(memory);
  }
  std::vector<float> read(size_t device, const float* memory) const {
    std::vector<float> values(kCount);
    devices[device]->read(values.data(), memory, kBytes);
    return values;
  }
  void finish(size_t device, Queue* queue) {
    Device& d = *devices[device];
    Event* event = d.make_event();
    d.record(queue, event);
    while (!d.done(event)) std::this_thread::yield();
    d.release(event);
  }

  std::vector<std::shared_ptr<Device>> devices;

 private:
  std::unique_ptr<Backend> backend_;
  std::vector<std::pair<std::shared_ptr<Device>, void*>> memory_;
};

std::vector<float> counting_from(float value) {
  std::vector<float> values(kCount);
  std::iota(values.begin(), values.end(), value);
  return values;
}

std::string code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.diagnostics()[0].code + " " + e.diagnostics()[0].message;
  }
  return "nothing thrown";
}

class Transfers : public ::testing::TestWithParam<int> {};

// Everyone's data go round the ring, device by device, as a plan would have it: what is received is
// sent on, and only events say when it is there.
TEST_P(Transfers, GoAroundTheRing) {
  for (int seed = 1; seed <= 20; ++seed) {
    const auto gpus = size_t(GetParam());
    Machines m(GetParam(), 2);
    emulator::seed(uint64_t(seed));
    const int64_t before = emulator::nccl_messages();
    const size_t count = m.devices.size();
    std::vector<std::vector<float*>> at(count);  // [device][round]
    for (size_t d = 0; d < count; ++d)
      for (size_t round = 0; round <= count; ++round)
        at[d].push_back(m.allocate(d, round ? -1.f : float(d * 1000)));
    std::vector<Event*> ready(count);
    for (size_t round = 0; round < count; ++round) {
      std::vector<Event*> next;
      for (size_t d = 0; d < count; ++d) {
        const size_t from = (d + count - 1) % count;
        Device& device = *m.devices[d];
        Queue* queue = device.queue(int(round % 2));
        device.activate();
        if (ready[from]) device.wait(queue, ready[from]);
        const CopyPiece halves[] = {
            {at[d][round + 1], at[from][round], kBytes / 2},
            {at[d][round + 1] + kCount / 2, at[from][round] + kCount / 2, kBytes / 2}};
        device.receive(queue, *m.devices[from], halves);
        next.push_back(device.make_event());
        device.record(queue, next.back());
      }
      for (size_t d = 0; d < count; ++d)
        if (ready[d]) m.devices[d]->release(ready[d]);
      ready = next;
    }
    for (size_t d = 0; d < count; ++d) {
      while (!m.devices[d]->done(ready[d])) std::this_thread::yield();
      EXPECT_EQ(m.read(d, at[d][count]), counting_from(float(d * 1000)))
          << gpus << " GPUs, device " << d << ", seed " << seed;
      m.devices[d]->release(ready[d]);
    }
    EXPECT_EQ(emulator::nccl_messages() - before, int64_t(2 * count * count));
  }
  EXPECT_EQ(emulator::nccl_communicators(), 0) << "all are gone with their devices";
}

// What was sent is free to be overwritten when the receiver's queue has come past the transfer.
TEST_P(Transfers, AreOverOnBothSides) {
  for (int seed = 1; seed <= 20; ++seed) {
    Machines m(GetParam(), 2);
    emulator::seed(uint64_t(seed));
    Device &source = *m.devices[0], &target = *m.devices[1];
    float *from = m.allocate(0, 7), *to = m.allocate(1, -1);
    const CopyPiece piece{to, from, kBytes};
    target.activate();
    target.receive(target.queue(0), source, {&piece, 1});
    Event* sent = target.make_event();
    target.record(target.queue(0), sent);
    source.activate();
    source.wait(source.queue(0), sent);
    source.fill(source.queue(0), from, 0, kBytes);
    m.finish(0, source.queue(0));
    m.finish(1, target.queue(0));
    EXPECT_EQ(m.read(1, to), counting_from(7));
    EXPECT_EQ(m.read(0, from), std::vector<float>(kCount, 0));
    target.release(sent);
  }
}

TEST_P(Transfers, AreRecordedAndReplayed) {
  Machines m(GetParam(), 2);
  Device &source = *m.devices[0], &target = *m.devices[1];
  float *from = m.allocate(0, 3), *to = m.allocate(1, -1);
  const CopyPiece piece{to, from, kBytes};
  Queue *origin = target.queue(0), *other = target.queue(1);
  target.activate();
  target.receive(origin, source, {&piece, 1});  // the first makes the link
  m.finish(1, origin);
  Event *fork = target.make_event(), *join = target.make_event();
  target.begin_recording(origin);
  target.record(origin, fork);
  target.wait(other, fork);
  target.receive(other, source, {&piece, 1});
  target.record(other, join);
  target.wait(origin, join);
  Recording* recording = target.end_recording(origin);
  for (float value : {10.f, 20.f}) {
    auto values = counting_from(value);
    source.write(from, values.data(), kBytes);
    target.activate();
    target.replay(origin, recording);
    m.finish(1, origin);
    EXPECT_EQ(m.read(1, to), values);
  }
  target.release(recording);
  target.release(fork);
  target.release(join);
}

TEST_P(Transfers, SumOverAllGpus) {
  Machines m(GetParam());
  std::vector<int> ordinals;
  std::vector<cuda::Summand> summands;
  std::vector<float*> sums;
  for (size_t d = 0; d < m.devices.size(); ++d) {
    ordinals.push_back(int(d));
    sums.push_back(m.allocate(d, -1));
    summands.push_back({m.allocate(d, float(d)), sums.back(), m.devices[d]->queue(0)});
  }
  cuda::Communicator c(ordinals);
  const cuda::Sum whole{DType::f32, kCount, summands};
  c.all_reduce({&whole, 1});
  const auto n = float(m.devices.size());
  for (size_t d = 0; d < m.devices.size(); ++d) {
    m.finish(d, m.devices[d]->queue(0));
    const auto sum = m.read(d, sums[d]);
    for (size_t i = 0; i < sum.size(); ++i)
      EXPECT_EQ(sum[i], n * float(i) + n * (n - 1) / 2) << "device " << d << ", element " << i;
  }
  std::swap(summands.front().queue, summands.back().queue);  // the ranks in another order
  const cuda::Sum turned{DType::f64, kCount / 2, summands};
  EXPECT_NO_THROW(c.all_reduce({&turned, 1}));
}

// As a plan has it: one device's queue stands for all. Parts are there when it comes to the sum,
// and free when it has gone on.
TEST_P(Transfers, SumForOneQueueOnAllGpus) {
  for (int seed = 1; seed <= 20; ++seed) {
    Machines m(GetParam());
    emulator::seed(uint64_t(seed));
    std::vector<Device*> devices;
    std::vector<float*> late;
    SumPiece whole{.dtype = DType::f32, .count = kCount, .parts = {}, .sums = {}}, half = whole;
    half.count = kCount / 2;
    Device& first = *m.devices[0];
    Queue* queue = first.queue(1);
    for (size_t d = 0; d < m.devices.size(); ++d) {
      Device& device = *m.devices[d];
      devices.push_back(&device);
      late.push_back(m.allocate(d, -5));
      device.activate();
      device.copy(device.queue(0), device, device, {late[d], m.allocate(d, float(d)), kBytes});
      Event* made = device.make_event();
      device.record(device.queue(0), made);
      first.activate();
      first.wait(queue, made);
      device.release(made);
      for (auto* piece : {&whole, &half}) {
        piece->parts.push_back(late[d]);
        piece->sums.push_back(m.allocate(d, -1));
      }
    }
    const SumPiece pieces[] = {whole, half};
    first.sum(queue, devices, pieces);
    Event* summed = first.make_event();
    first.record(queue, summed);
    const auto n = float(m.devices.size());
    for (size_t d = 0; d < m.devices.size(); ++d) {
      Device& device = *m.devices[d];
      device.activate();
      device.wait(device.queue(0), summed);
      device.fill(device.queue(0), late[d], 0xff, kBytes);
      m.finish(d, device.queue(0));
      auto expected = counting_from(0);
      for (auto& x : expected) x = n * x + n * (n - 1) / 2;
      EXPECT_EQ(m.read(d, static_cast<float*>(whole.sums[d])), expected) << d << ", seed " << seed;
      auto of_half = counting_from(-1);
      std::copy_n(expected.begin(), kCount / 2, of_half.begin());
      EXPECT_EQ(m.read(d, static_cast<float*>(half.sums[d])), of_half) << d << ", seed " << seed;
    }
    first.release(summed);
  }
}

TEST_P(Transfers, TellWhatNcclFindsLater) {
  Machines m(GetParam(), 2);
  Device &source = *m.devices[0], &target = *m.devices[1];
  float *from = m.allocate(0, 3), *to = m.allocate(1, -1);
  const CopyPiece piece{to, from, kBytes};
  target.activate();
  target.receive(target.queue(0), source, {&piece, 1});
  Event* event = target.make_event();
  target.record(target.queue(0), event);
  emulator::fail_nccl(ncclRemoteError);
  const std::string found = code_of([&] {
    while (!target.done(event)) std::this_thread::yield();
  });
  EXPECT_NE(found.find("E0522"), found.npos) << found;
  EXPECT_NE(found.find("after 1 groups: NCCL says 'remote process"), found.npos) << found;
  target.release(event);
}

TEST_P(Transfers, StopAfterAnAbort) {
  Machines m(GetParam());
  std::vector<int> ordinals(m.devices.size());
  std::iota(ordinals.begin(), ordinals.end(), 0);
  cuda::Communicator c(ordinals);
  EXPECT_EQ(emulator::nccl_communicators(), GetParam());
  c.abort();
  c.abort();
  EXPECT_EQ(emulator::nccl_communicators(), 0);
  c.poll();
  Queue* queue = m.devices[0]->queue(0);
  const cuda::Message message{m.allocate(0, 1), m.allocate(0, 2), kBytes, queue, queue};
  EXPECT_EQ(code_of([&] {
              c.exchange({&message, 1});
            }),
            "E0522 an exchange between devices: NCCL was aborted before");
}

// A transfer that never ends holds nobody up: the device is given up.
TEST_P(Transfers, AreGivenUpWhenTheyHang) {
  emulator::reset();
  {
    Machines m(GetParam(), 2);
    Device &source = *m.devices[0], &target = *m.devices[1];
    float *from = m.allocate(0, 3), *to = m.allocate(1, -1);
    const CopyPiece piece{to, from, kBytes};
    target.activate();
    emulator::hang_launch();
    target.receive(target.queue(0), source, {&piece, 1});
    Event* event = target.make_event();
    target.record(target.queue(0), event);
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(target.done(event));
    for (auto& device : m.devices) device->abandon();
    EXPECT_EQ(emulator::nccl_communicators(), 0);
    EXPECT_THROW(target.receive(target.queue(0), source, {&piece, 1}), Error);
  }
  emulator::reset();
}

INSTANTIATE_TEST_SUITE_P(Gpus, Transfers, ::testing::Values(1, 2, 4));

TEST(World, MakesACommunicatorForWhoIsHere) {
  Machines m(4);
  cuda::World world;
  world.join(2);
  auto one = world.communicator();
  EXPECT_EQ(one, world.communicator());
  world.join(0);
  world.join(0);
  auto two = world.communicator();
  EXPECT_NE(one, two);
  EXPECT_TRUE(two->covers(0) && two->covers(2) && !two->covers(1));
  world.leave(2);
  EXPECT_EQ(two, world.communicator()) << "what it covers beyond that does no harm";
}

// A sum takes part of all ranks: it needs those that it is over, and no others.
TEST(World, MakesACommunicatorForASum) {
  Machines m(4);
  cuda::World world;
  for (int ordinal : {0, 1, 3}) world.join(ordinal);
  auto all = world.communicator(), two = world.communicator({0, 3});
  EXPECT_EQ(world.communicator({0, 1, 3}), all);
  EXPECT_TRUE(two->is_between({0, 3}));
  EXPECT_FALSE(two->is_between({0, 1, 3}) || two->is_between({0, 1}) || all->is_between({0, 3}));
  EXPECT_EQ(world.communicator({0, 3}), two);
}

// The emulated NCCL finds what would make a real one wait for ever.
class Groups : public ::testing::Test {
 protected:
  Groups() : m(2) {
    const int devices[] = {0, 1};
    ncclCommInitAll(ranks, 2, devices);
    for (size_t d = 0; d < 2; ++d) {
      memory[d] = m.allocate(d, 1);
      streams[d] = m.devices[d]->queue(0)->stream;
    }
  }
  ~Groups() override {
    for (auto rank : ranks) ncclCommAbort(rank);
  }
  std::string end() {
    auto result = ncclGroupEnd();
    return result == ncclSuccess ? "" : ncclGetLastError(nullptr);
  }

  Machines m;
  ncclComm_t ranks[2];
  float* memory[2];
  cudaStream_t streams[2];
};

TEST_F(Groups, ASendNeedsAReceive) {
  ncclGroupStart();
  ncclSend(memory[0], 4, ncclUint8, 1, ranks[0], streams[0]);
  EXPECT_EQ(end(), "rank 0 to 1: 1 sends, 0 receives");
}

TEST_F(Groups, SizesAreTheSameOnBothSides) {
  ncclGroupStart();
  ncclSend(memory[0], 8, ncclUint8, 1, ranks[0], streams[0]);
  ncclRecv(memory[1], 4, ncclUint8, 0, ranks[1], streams[1]);
  EXPECT_EQ(end(), "rank 0 to 1: message 0 has 8 bytes, and 4 are received");
}

TEST_F(Groups, AllRanksSumInOneOrder) {
  ncclGroupStart();
  for (int count : {4, 8})
    ncclAllReduce(memory[0], memory[0], size_t(count), ncclFloat32, ncclSum, ranks[0], streams[0]);
  for (int count : {8, 4})
    ncclAllReduce(memory[1], memory[1], size_t(count), ncclFloat32, ncclSum, ranks[1], streams[1]);
  EXPECT_EQ(end(), "sum 0: rank 1 adds 32 bytes, rank 0 16");
}

TEST_F(Groups, AllRanksTakePart) {
  ncclGroupStart();
  ncclAllReduce(memory[0], memory[0], 4, ncclFloat32, ncclSum, ranks[0], streams[0]);
  EXPECT_EQ(end(), "rank 1 takes part in 0 sums, rank 0 in 1");
}

TEST_F(Groups, AStreamIsOfTheRanksDevice) {
  ncclGroupStart();
  ncclSend(memory[0], 4, ncclUint8, 1, ranks[0], streams[1]);
  EXPECT_EQ(end(), "the stream is not of the rank's device");
}

}  // namespace
}  // namespace braid::test
