// The order of samples, and the thread that has the next batch ready.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <set>
#include <thread>

#include <braid/runtime/data.h>
#include <gtest/gtest.h>

#include "runtime/declared.h"
#include "runtime/temp_folder.h"

namespace braid {
namespace {

using test::error_of;
using test::TempFolder;

std::vector<int64_t> epoch_of(BatchPlan& plan, int64_t epoch) {
  std::vector<int64_t> all;
  int64_t steps = plan.steps_per_epoch();
  for (int64_t step = epoch * steps; step < (epoch + 1) * steps; ++step) {
    std::vector<int64_t> batch = plan.batch(step);
    all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

TEST(BatchPlan, GoesThroughTheFileInOrder) {
  BatchPlan plan({.samples = 7, .batch = 3});
  EXPECT_EQ(plan.steps_per_epoch(), 3);
  EXPECT_EQ(plan.batch(0), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(plan.batch(2), (std::vector<int64_t>{6}));
  EXPECT_EQ(plan.batch(3), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(plan.epoch_of(2), 0);
  EXPECT_EQ(plan.epoch_of(3), 1);
}

TEST(BatchPlan, DropsTheLastWhenAsked) {
  BatchPlan plan({.samples = 7, .batch = 3, .drop_last = true});
  EXPECT_EQ(plan.steps_per_epoch(), 2);
  EXPECT_EQ(plan.batch(2), (std::vector<int64_t>{0, 1, 2}));
  TempFolder folder;
  EXPECT_EQ(error_of(folder, [] { BatchPlan({.samples = 7, .batch = 8, .drop_last = true}); }),
            "E0347: 7 samples do not make one batch of 8");
  EXPECT_EQ(BatchPlan({.samples = 7, .batch = 8}).batch(5).size(), 7u);
}

TEST(BatchPlan, EveryEpochIsAPermutationOfItsOwn) {
  BatchPlan plan({.samples = 1000, .batch = 64, .shuffle = true, .seed = 7});
  std::set<std::vector<int64_t>> orders;
  for (int64_t epoch = 0; epoch < 5; ++epoch) {
    std::vector<int64_t> order = epoch_of(plan, epoch);
    orders.insert(order);
    std::sort(order.begin(), order.end());
    for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(order[size_t(i)], i);
  }
  EXPECT_EQ(orders.size(), 5u);
}

TEST(BatchPlan, DependsOnSeedAndStepAlone) {
  BatchOptions options{.samples = 100, .batch = 8, .shuffle = true, .seed = 7};
  BatchPlan forwards(options), jumping(options);
  std::vector<std::vector<int64_t>> seen;
  for (int64_t step = 0; step < 40; ++step) seen.push_back(forwards.batch(step));
  for (int64_t step : {39, 0, 20, 13, 12, 39}) EXPECT_EQ(jumping.batch(step), seen[size_t(step)]);
  options.seed = 8;
  EXPECT_NE(BatchPlan(options).batch(0), seen[0]);
  options = {.samples = 100, .batch = 100, .shuffle = true, .seed = 7};
  BatchPlan other_batch(options), same(options);
  std::vector<int64_t> order = epoch_of(other_batch, 0);
  EXPECT_TRUE(std::equal(seen[0].begin(), seen[0].end(), order.begin()));
}

// The first sample of an epoch should be any of ten about equally often.
TEST(BatchPlan, ShufflesFairly) {
  std::vector<int> first(10), last(10);
  BatchPlan plan({.samples = 10, .batch = 10, .shuffle = true, .seed = 3});
  for (int64_t epoch = 0; epoch < 10'000; ++epoch) {
    std::vector<int64_t> order = plan.batch(epoch);
    ++first[size_t(order.front())];
    ++last[size_t(order.back())];
  }
  for (int count : first) EXPECT_NEAR(count, 1000, 150);
  for (int count : last) EXPECT_NEAR(count, 1000, 150);
}

DataSource numbers(int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), 0.0f);
  return DataSource::of({{"x", Array::of<float>({n}, values)}},
                        std::vector<InputDecl>{{"x", {DType::f32, {N}}}, {"y", {DType::i64, {N}}}});
}

TEST(Prefetcher, DeliversEveryBatchInOrder) {
  DataSource source = numbers(10);
  BatchPlan plan({.samples = 10, .batch = 4, .shuffle = true, .seed = 1});
  Prefetcher prefetcher(source, plan, 2, 9);
  for (int64_t step = 2; step < 9; ++step) {
    const Batch* batch = prefetcher.next();
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->step, step);
    EXPECT_EQ(batch->samples, plan.batch(step));
    const float* x = reinterpret_cast<const float*>(batch->inputs[0].data());
    for (size_t i = 0; i < batch->samples.size(); ++i) EXPECT_EQ(x[i], float(batch->samples[i]));
    EXPECT_TRUE(batch->inputs[1].empty());
  }
  EXPECT_EQ(prefetcher.next(), nullptr);
  EXPECT_EQ(prefetcher.next(), nullptr);
}

TEST(Prefetcher, UsesItsBuffersAgain) {
  Prefetcher prefetcher(numbers(100), BatchPlan({.samples = 100, .batch = 4}), 0, 100, 2);
  std::set<const void*> inputs, samples;
  while (const Batch* batch = prefetcher.next()) {
    inputs.insert(batch->inputs[0].data());
    samples.insert(batch->samples.data());
  }
  EXPECT_EQ(inputs.size(), 3u);
  EXPECT_EQ(samples.size(), 3u);
}

TEST(Prefetcher, LeavesTheUsersBatchAlone) {
  Prefetcher prefetcher(numbers(100), BatchPlan({.samples = 100, .batch = 4}), 0, 1000, 1);
  for (int64_t step = 0; step < 200; ++step) {
    const Batch* batch = prefetcher.next();
    std::vector<int64_t> before = batch->samples;
    std::this_thread::sleep_for(std::chrono::microseconds(step % 20 * 10));
    EXPECT_EQ(batch->samples, before);
    EXPECT_EQ(batch->step, step);
  }
}

TEST(Prefetcher, StopsPromptly) {
  auto start = std::chrono::steady_clock::now();
  for (int trial = 0; trial < 50; ++trial) {
    Prefetcher prefetcher(numbers(1000), BatchPlan({.samples = 1000, .batch = 10}), 0, INT64_MAX);
    for (int i = 0; i < trial % 5; ++i) prefetcher.next();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(Prefetcher, CarriesErrorsBehindTheGoodBatches) {
  // A plan for more samples than there are: the second batch fails.
  Prefetcher prefetcher(numbers(4), BatchPlan({.samples = 8, .batch = 4}), 0, 2);
  ASSERT_TRUE(prefetcher.next());
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(test::fault_of([&] { prefetcher.next(); }), Fault::bug);
  }
}

TEST(Prefetcher, AnEmptyRangeEndsAtOnce) {
  Prefetcher prefetcher(numbers(4), BatchPlan({.samples = 4, .batch = 4}), 5, 5);
  EXPECT_EQ(prefetcher.next(), nullptr);
}

TEST(DataSource, IsFilledByManyThreadsAtOnce) {
  DataSource source = numbers(1000);
  std::atomic<int> wrong = 0;
  auto work = [&](int64_t first) {
    for (int64_t i = 0; i < 2000; ++i) {
      int64_t sample = (first + i) % 1000;
      float x = -1;
      source.fill({&sample, 1}, 0, &x);
      wrong += x != float(sample);
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int64_t t = 0; t < 4; ++t) threads.emplace_back(work, t * 100);
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace braid
