// Sessions used by many threads: the bits are those of one, and no thread that waits for Braid
// picks up what else there is to do.
#include <gtest/gtest.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "support/models.h"

namespace braid::test {
namespace {

namespace tbb = oneapi::tbb;

using Arrays = std::map<std::string, Array>;

/// Several rows of random numbers, each set others.
Array rows(int64_t count, uint64_t seed, int64_t features = 20) {
  Array array = Array::zeros(DType::f32, {count, features});
  auto values = array.as<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(normal(seed, i));
  return array;
}

Array logits(Session& session, const Array& x) {
  return session.run({{"image", x}}, {"logits"}).at("logits");
}

TEST(Concurrent, RunsBesideEachOtherHaveTheBitsOfOne) {
  for (const char* engine : {"tbb", "serial", "reference"}) {
    Session session(mlp(3), {.devices = cpus(2), .concurrency = 3, .engine = engine});
    std::vector<Array> x, expected;
    for (int i = 0; i < 6; ++i) x.push_back(rows(1 + i, uint64_t(i)));
    for (auto& one : x) expected.push_back(logits(session, one));
    std::atomic<int> wrong = 0;
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (size_t i = 0; i < 60; ++i) {
          size_t k = (i * 5 + t) % x.size();
          if (logits(session, x[k]) != expected[k]) ++wrong;
        }
      });
    threads.clear();
    EXPECT_EQ(wrong, 0) << engine;
  }
}

TEST(Concurrent, NewProgramsAreMadeWhileOthersRun) {
  Session session(mlp(2), {.concurrency = 2}), judge(mlp(2));
  std::atomic<int> wrong = 0;
  std::mutex judging;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int64_t n = 1; n < 20; ++n) {  // more than the cache holds
        Array x = rows(n, uint64_t(t));
        Array y = logits(session, x);
        std::lock_guard lock(judging);
        if (y != logits(judge, x)) ++wrong;
      }
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

// What a pass sees is one step's weights, never half of them.
TEST(Concurrent, TrainingStepsStandBetweenPasses) {
  Model model = mlp(2);
  Session session(model, {.concurrency = 2}), alone(model);
  Array x = rows(4, 7);
  std::vector<Array> after = {logits(alone, x)};
  RandomBatch batch(model, 32, 1);
  for (int s = 0; s < 20; ++s) {
    alone.step(batch.pointers, 32, 0.1);
    after.push_back(logits(alone, x));
  }
  std::atomic<bool> done = false;
  std::atomic<int> unknown = 0;
  std::jthread reader([&] {
    while (!done)
      if (std::ranges::find(after, logits(session, x)) == after.end()) ++unknown;
  });
  for (int s = 0; s < 20; ++s) session.step(batch.pointers, 32, 0.1);
  done = true;
  reader.join();
  EXPECT_EQ(unknown, 0);
  EXPECT_EQ(session.weights(), alone.weights());
}

TEST(Concurrent, SessionsShareOneArena) {
  auto arena = std::make_shared<TaskArena>(2);
  EXPECT_EQ(arena->threads(), 2);
  Session a(mlp(2), {.arena = arena}), b(convnet(3), {.arena = arena}), judge(mlp(2));
  Array x = rows(5, 1);
  RandomBatch batch(b.model(), 9, 1);
  std::jthread other([&] {
    for (int i = 0; i < 5; ++i) b.step(batch.pointers, 9, 0.1);
  });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(logits(a, x), logits(judge, x));
  other.join();
  EXPECT_EQ(b.steps_done(), 5);
}

TEST(Async, FuturesAndCallbacks) {
  Session session(mlp(2), {.concurrency = 2});
  Array x = rows(3, 2), y = logits(session, x), out = y;
  auto future = session.run_async({{"image", x}}, {"logits"});
  EXPECT_EQ(future.get().at("logits"), y);
  auto failing = session.run_async({{"picture", x}}, {"logits"});
  EXPECT_THROW(failing.get(), Error);

  out.bytes.assign(out.bytes.size(), std::byte{});
  Bound call = session.bind({{"image", x}}, {{"logits", out}});
  std::promise<std::exception_ptr> done;
  session.run_async(call, [&](std::exception_ptr thrown) { done.set_value(thrown); });
  EXPECT_EQ(done.get_future().get(), nullptr);
  EXPECT_EQ(out, y);
}

TEST(Async, WhatWasAskedForIsDoneBeforeTheSessionEnds) {
  std::vector<std::future<Arrays>> futures;
  Array x = rows(2, 3), y;
  {
    Session session(mlp(2));
    y = logits(session, x);
    for (int i = 0; i < 40; ++i) futures.push_back(session.run_async({{"image", x}}, {"logits"}));
  }
  for (auto& future : futures) EXPECT_EQ(future.get().at("logits"), y);
}

// Each task holds a lock while it runs the network. A thread that waited in run() and picked up
// another of these tasks meanwhile would take the lock twice and stand still forever.
TEST(Isolation, HundredThousandRunsOfTasksThatHoldALock) {
  auto own = std::make_shared<TaskArena>(2);
  for (bool shared : {false, true}) {
    tbb::task_arena host(2);
    host.execute([&] {
      Session session(mlp(2), {.arena = shared ? TaskArena::of_caller() : own});
      Array x = rows(4, 1), y = logits(session, x);
      EXPECT_GT(
          session.plan({.batch = 4, .wanted = {"logits"}, .goal = Goal::forward}).strands.size(),
          1U);
      Array out = y;
      Bound call = session.bind({{"image", x}}, {{"logits", out}});
      std::mutex mutex;
      int wrong = 0;
      tbb::parallel_for(0, 50'000, [&](int) {
        std::lock_guard lock(mutex);
        call.run();
        if (out != y) ++wrong;
      });
      EXPECT_EQ(wrong, 0);
    });
  }
}

TEST(Isolation, AnArenaOfOneSlot) {
  tbb::task_arena host(1);
  host.execute([&] {
    Session session(mlp(3), {.arena = TaskArena::of_caller(), .concurrency = 2});
    EXPECT_EQ(session.options().arena->threads(), 1);
    Session judge(mlp(3), {.engine = "serial"});
    Array x = rows(7, 1);
    tbb::task_group group;
    std::atomic<int> done = 0;
    for (int i = 0; i < 20; ++i)
      group.run([&] {
        EXPECT_EQ(logits(session, x), logits(judge, x));
        ++done;
      });
    group.wait();
    EXPECT_EQ(done, 20);
  });
}

// What the host has ready stays where it is until run() is over.
TEST(Isolation, OfTheHostsTasksNoneRunsMeanwhile) {
  tbb::task_arena host(1);
  host.execute([&] {
    Session session(mlp(3), {.arena = TaskArena::of_caller()});
    Array x = rows(7, 1);
    logits(session, x);
    tbb::task_group group;
    int done = 0;
    for (int i = 0; i < 20; ++i) group.run([&] { ++done; });
    logits(session, x);
    EXPECT_EQ(done, 0);
    group.wait();
    EXPECT_EQ(done, 20);
  });
}

// The group is cancelled while one of its tasks is in run(): that task's result is whole, and so is
// the next one's, outside the group.
TEST(Isolation, TheHostCancelsItsContext) {
  tbb::task_arena host(2);
  host.execute([&] {
    Session session(mlp(3), {.arena = TaskArena::of_caller()});
    Array x = rows(7, 1);
    const Array expected = [&] {
      Session judge(mlp(3));
      return logits(judge, x);
    }();
    for (int i = 0; i < 50; ++i) {
      tbb::task_group_context context;
      tbb::task_group group(context);
      std::atomic<bool> begun = false;
      Array y;
      group.run([&] {
        begun = true;
        for (int k = 0; k < 3; ++k) y = logits(session, x);
      });
      group.run([&] {
        while (!begun) std::this_thread::yield();
        context.cancel_group_execution();
      });
      while (!begun) std::this_thread::yield();
      context.cancel_group_execution();
      group.wait();
      EXPECT_EQ(y, expected);
      EXPECT_EQ(logits(session, x), expected);
    }
  });
}

}  // namespace
}  // namespace braid::test
