// Requests that share a pass, and a network as a node of a flow graph of the host's.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include <braid/runtime/batcher.h>
#include <braid/tbb/node.h>

#include "support/models.h"

namespace braid::test {
namespace {

namespace flow = oneapi::tbb::flow;
using Arrays = std::map<std::string, Array>;

Array rows(int64_t count, uint64_t seed) {
  Array array = Array::zeros(DType::f32, {count, 20});
  auto values = array.as<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(normal(seed, i));
  return array;
}

std::future<Batcher::Answer> ask(Batcher& batcher, Arrays inputs) {
  auto promise = std::make_shared<std::promise<Batcher::Answer>>();
  batcher.add(std::move(inputs),
              [promise](Batcher::Answer answer) { promise->set_value(std::move(answer)); });
  return promise->get_future();
}

TEST(Batcher, EverybodyGetsHisOwnBits) {
  Session session(mlp(2)), judge(mlp(2));
  Batcher batcher(session, {.most = 8, .wait = std::chrono::seconds(20)});
  std::vector<std::future<Batcher::Answer>> answers;
  std::vector<Array> asked;
  for (int i = 0; i < 8; ++i) asked.push_back(rows(1 + i % 3, uint64_t(i)));  // 15 samples
  for (auto& x : asked) answers.push_back(ask(batcher, {{"image", x}}));
  ask(batcher, {{"image", rows(8, 9)}}).get();  // whoever does not fit ends the waiting
  for (size_t i = 0; i < answers.size(); ++i)
    EXPECT_EQ(answers[i].get().outputs, judge.run({{"image", asked[i]}}, {"logits"}));
  EXPECT_LE(batcher.passes(), 5);
}

TEST(Batcher, ARequestThatFailsSpoilsNoOther) {
  Session session(mlp(2)), judge(mlp(2));
  Batcher batcher(session, {.most = 3, .wait = std::chrono::seconds(20)});
  Array x = rows(1, 1), narrow = Array::zeros(DType::f32, {1, 19});
  auto first = ask(batcher, {{"image", x}});
  auto wrong = ask(batcher, {{"image", narrow}});
  auto unknown = ask(batcher, {{"picture", x}});
  auto last = ask(batcher, {{"image", rows(3, 1)}});
  EXPECT_EQ(first.get().outputs, judge.run({{"image", x}}, {"logits"}));
  for (auto* answer : {&wrong, &unknown}) {
    auto error = answer->get().error;
    ASSERT_NE(error, nullptr);
    EXPECT_THROW(std::rethrow_exception(error), Error);
  }
  EXPECT_EQ(last.get().error, nullptr);
}

TEST(Batcher, AnswersBeforeItEnds) {
  Session session(mlp(2));
  std::future<Batcher::Answer> answer;
  {
    Batcher batcher(session, {.most = 100, .wait = std::chrono::hours(1)});
    answer = ask(batcher, {{"image", rows(1, 1)}});
  }
  EXPECT_EQ(answer.get().outputs.at("logits").dims, (std::vector<int64_t>{1, 10}));
}

struct Frame {
  int id = 0;
  Array pixels;
};

TEST(NetworkNode, StandsInAGraphOfTheHost) {
  Session session(mlp(2)), judge(mlp(2));
  std::map<int, Arrays> seen;
  flow::graph g;
  flow::function_node<int, Frame> camera(g, flow::unlimited, [](int id) {
    return Frame{id, id == 7 ? Array::zeros(DType::f32, {1, 3}) : rows(1, uint64_t(id))};
  });
  NetworkNode<Frame> net(g, session, {.most = 4, .wait = std::chrono::milliseconds(2)},
                         [](const Frame& frame) {
                           return Arrays{{"image", frame.pixels}};
                         });
  using Out = NetworkNode<Frame>::Output;
  int failed = 0;
  flow::function_node<Out, flow::continue_msg> sink(g, 1, [&](const Out& out) {
    if (out.answer.error) ++failed;
    seen[out.message.id] = out.answer.outputs;
    return flow::continue_msg{};
  });
  flow::make_edge(camera, net.in());
  flow::make_edge(net.out(), sink);
  for (int id = 0; id < 40; ++id) camera.try_put(id);
  g.wait_for_all();
  EXPECT_EQ(seen.size(), 40U);
  EXPECT_EQ(failed, 1);
  seen.erase(7);
  for (auto& [id, outputs] : seen)
    EXPECT_EQ(outputs, judge.run({{"image", rows(1, uint64_t(id))}}, {"logits"})) << id;
}

// What makes arrays of a message may throw: that is the answer, and the graph goes on.
TEST(NetworkNode, WhatItsInputsThrowIsTheAnswer) {
  Session session(mlp(2));
  flow::graph g;
  NetworkNode<int> net(g, session, {},
                       [](const int&) -> Arrays { throw std::runtime_error("no picture"); });
  std::string why;
  flow::function_node<NetworkNode<int>::Output, flow::continue_msg> sink(
      g, 1, [&](const NetworkNode<int>::Output& out) {
        try {
          std::rethrow_exception(out.answer.error);
        } catch (const std::runtime_error& e) {
          why = e.what();
        }
        return flow::continue_msg{};
      });
  flow::make_edge(net.out(), sink);
  net.in().try_put(1);
  g.wait_for_all();
  EXPECT_EQ(why, "no picture");
}

}  // namespace
}  // namespace braid::test
