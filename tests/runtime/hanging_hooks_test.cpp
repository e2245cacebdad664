// Hooks that hang, call into their own session, throw, or make the wrong shape: each is an error
// that names layer and line, State keeps its bits, and nobody waits.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include <braid/dsl/read.h>
#include <braid/runtime/session.h>

namespace braid {
namespace {

const char* const text = R"(braid: 1
replicas: 2
batch: {global: 6}
inputs: {x: {shape: [N, 4]}, label: {shape: [N], dtype: i64}}
layers:
  - {name: fc1, type: Linear, from: x, out_features: 5}
  - {name: own, type: Callback, call: own, backward: back, ports: {in: [a], out: {b: [N, 5]}}}
  - {name: fc2, type: Linear, out_features: 3}
outputs: {y: fc2}
loss: {type: CrossEntropy, from: [fc2, label]}
optimizer: {type: SGD, lr: 0.1, momentum: 0.9}
)";

// Opens for all who wait, and for good.
class Door {
 public:
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++inside_;
    changed_.wait(lock, [&] { return open_; });
    --inside_;
    changed_.notify_all();
  }
  void wait_until_empty() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int inside_ = 0;
};

void copy(const HookVisit& v) { std::ranges::copy(v["a"].f32(), v["b"].edit().begin()); }
void copy_back(const HookVisit& v) {
  std::ranges::copy(v["grad:b"].f32(), v["grad:a"].edit().begin());
}

Session session_of(const std::string& engine, Hooks::Visit own, double deadline = 60) {
  Hooks hooks;
  hooks.bind("own", std::move(own)).bind("back", copy_back);
  return Session::parse(
      text, "net.yaml",
      {.threads = 2, .engine = engine, .hooks = std::move(hooks), .deadline = deadline});
}

std::map<std::string, Array> batch() {
  std::map<std::string, Array> all{{"x", Array::zeros(DType::f32, {6, 4})},
                                   {"label", Array::zeros(DType::i64, {6})}};
  auto x = all.at("x").as<float>();
  for (size_t i = 0; i < x.size(); ++i) x[i] = float(i % 5) - 2;
  return all;
}

Diagnostic failure(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.diagnostics().front();
  }
  return {};
}

class Engines : public ::testing::TestWithParam<std::string> {};

TEST_P(Engines, AHookThatHangsEndsTheRunAndNobodyWaits) {
  auto door = std::make_shared<Door>();
  auto hangs = std::make_shared<std::atomic<bool>>(false);
  auto before = std::map<std::string, Array>();
  {
    Session session = session_of(
        GetParam(),
        [door, hangs](const HookVisit& v) {
          if (*hangs && v.replica() == 1) door->pass();
          copy(v);
        },
        0.2);
    session.step(batch());
    before = session.weights();
    *hangs = true;
    auto d = failure([&] { session.step(batch()); });
    EXPECT_EQ(d.code, "E0428");
    EXPECT_NE(d.message.find("'own'"), std::string::npos) << d.message;
    EXPECT_NE(d.message.find("replica 1"), std::string::npos) << d.message;
    EXPECT_NE(d.message.find("step 2: it has not returned within 0.2 s"), std::string::npos)
        << d.message;
    EXPECT_EQ(d.mark.line, 7);
    EXPECT_EQ(session.weights(), before);
    EXPECT_EQ(session.steps_done(), 1);
    // It refuses all runs from now on, of any size and kind.
    EXPECT_EQ(failure([&] { session.step(batch()); }).code, "E0422");
    EXPECT_EQ(failure([&] { session.run({{"x", batch().at("x")}}); }).code, "E0422");
    // Others live on while the hook still hangs.
    Session other = session_of(GetParam(), copy);
    other.step(batch());
    EXPECT_EQ(other.weights(), before);
  }              // the destructor returns, though the hook does not
  door->open();  // and it may come back much later
  door->wait_until_empty();
}

TEST_P(Engines, AHookThatCallsItsOwnSessionIsToldSo) {
  Session* self = nullptr;
  bool calls = true;
  Session session = session_of(GetParam(), [&](const HookVisit& v) {
    if (calls && v.replica() == 0) self->run({{"x", batch().at("x")}});
    copy(v);
  });
  self = &session;
  auto before = session.weights();
  auto d = failure([&] { session.step(batch()); });
  EXPECT_EQ(d.code, "E0426");
  EXPECT_NE(d.message.find("it calls into its own session, which is running"), std::string::npos)
      << d.message;
  EXPECT_EQ(d.mark.line, 7);
  EXPECT_EQ(session.weights(), before);
  calls = false;
  session.step(batch());
  EXPECT_NE(session.weights(), before);
}

TEST_P(Engines, OneThatThrowsOrMakesTheWrongShapeChangesNothing) {
  std::function<void(const HookVisit&)> does = copy;
  Session session = session_of(GetParam(), [&](const HookVisit& v) { does(v); });
  auto before = session.weights();
  does = [](const HookVisit&) { throw std::runtime_error("the simulator is out of steps"); };
  auto d = failure([&] { session.step(batch()); });
  EXPECT_EQ(d.code, "E0426");
  EXPECT_NE(d.message.find("the simulator is out of steps"), std::string::npos) << d.message;
  EXPECT_EQ(d.mark.line, 7);
  does = [](const HookVisit& v) { v["b"].assign(Array::zeros(DType::f32, {3, 4})); };
  d = failure([&] { session.step(batch()); });
  EXPECT_EQ(d.code, "E0426");
  EXPECT_NE(d.message.find("'b' is f32 [3, 5], and was given f32 [3, 4]"), std::string::npos)
      << d.message;
  EXPECT_EQ(d.mark.line, 7);
  EXPECT_EQ(session.weights(), before);
  does = [](const HookVisit& v) {  // a whole array of the right shape
    v["b"].assign(Array::of<float>(v["a"].dims, v["a"].f32()));
  };
  session.step(batch());
  Session other = session_of(GetParam(), copy);
  other.step(batch());
  EXPECT_EQ(session.weights(), other.weights());
}

INSTANTIATE_TEST_SUITE_P(All, Engines, ::testing::Values("tbb", "serial", "threads"),
                         [](auto& info) { return info.param; });

TEST(HangingHooks, AnObserverHasTheSameDeadline) {
  auto door = std::make_shared<Door>();
  Hooks hooks;
  hooks.bind("own", copy).bind("back", copy_back);
  hooks.on_forward(at("fc2"), [door](const HookVisit&) { door->pass(); }, {.joined = true});
  {
    Session session = Session::parse(text, "net.yaml", {.hooks = hooks, .deadline = 0.1});
    auto d = failure([&] { session.run({{"x", batch().at("x")}}); });
    EXPECT_EQ(d.code, "E0428");
    EXPECT_NE(d.message.find("fc2"), std::string::npos) << d.message;
  }
  door->open();
  door->wait_until_empty();
}

// What the caller gave may be gone when the hook looks at it.
TEST(HangingHooks, AnInputOfTheNetworkIsShownAsACopy) {
  Hooks hooks;
  const void* shown = nullptr;
  hooks.bind("own", [&](const HookVisit& v) { shown = v.values().bytes.data(); });
  Session session = Session::parse(
      "braid: 1\ninputs: {x: {shape: [N, 4]}}\nlayers:\n"
      "  - {name: own, type: Callback, call: own, from: x}\n"
      "  - {type: Linear, out_features: 2, name: fc}\noutputs: {y: fc}\n",
      "net.yaml", {.hooks = hooks});
  auto x = batch().at("x");
  session.run({{"x", x}});
  EXPECT_NE(shown, nullptr);
  EXPECT_NE(shown, static_cast<const void*>(x.bytes.data()));
}

}  // namespace
}  // namespace braid
