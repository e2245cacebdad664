// Braid beside PyTorch. The oracle is PyTorch in f64; PyTorch's own f32 says what f32 can do.
// Training with ReLU and max pooling is chaotic (one ulp on the weights grows to 1e-3 in twenty
// steps), so networks with kinks are compared over one step from common states, a smooth twin over
// twenty, and loss curves by their spread.
#include "runtime/parity.h"

namespace braid::test {
namespace {

constexpr int64_t batch = 22;  // over four replicas: 6, 6, 5, 5
constexpr double lr = 0.1;

Session open(const std::string& name, int64_t replicas) {
  return Session::open(parity_folder() + name + ".yaml", {.threads = 2}, {.replicas = replicas});
}

TensorFile fixture(const std::string& name) {
  return read_safetensors(parity_folder() + name + ".safetensors");
}

StepReport step(Session& session, uint64_t batch_id) {
  auto& sizes = session.model().inputs[0].type.shape;
  int64_t pixels = sizes[1].value * sizes[2].value * sizes[3].value;
  return session.step({{"image", Array::of({batch, sizes[1].value, sizes[2].value, sizes[3].value},
                                           images(batch_id, batch, pixels))},
                       {"label", Array::of({batch}, labels(batch_id, batch, 10))}});
}

std::string buffer_of(const std::string& key) { return "optimizer." + key + ".momentum_buffer"; }

// After one step a weight is w - lr * buffer, in f64 from PyTorch's buffer.
std::vector<double> stepped(const Array& weight, std::vector<double> buffer) {
  auto w = thin(weight);
  for (size_t i = 0; i < w.size(); ++i) w[i] -= lr * buffer.at(i);
  return w;
}

class Parity : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Replicas, Parity, testing::Values(1, 4),
                         [](auto& info) { return "R" + std::to_string(info.param); });

// (a) One step from 20 states of training runs: every weight, momentum and statistic.
TEST_P(Parity, one_step_from_twenty_common_states) {
  auto file = fixture("one_step").tensors;
  auto session = open("one_step", GetParam());
  session.plan(Mode::train, batch);
  auto keys = session.state().all();
  int64_t states = file.at("step").dims[0];
  ASSERT_EQ(states, 20);
  for (int64_t s = 0; s < states; ++s) {
    Tensors state;
    for (auto& [key, unused] : keys) state[key] = entry(file.at("state." + key), s);
    session.restore({.step = file.at("step").as<int64_t>()[size_t(s)], .tensors = state});
    double loss = step(session, 100000 + uint64_t(s)).loss;
    std::string where = " of state " + std::to_string(s);
    expect_as_good({loss}, {number(entry(file.at("expected.loss"), s))},
                   number(entry(file.at("error.loss"), s)), "loss" + where);
    for (auto& [key, got] : session.state().all()) {
      if (got.dtype != DType::f32) continue;
      std::vector<double> want;
      if (auto found = file.find("expected." + key); found != file.end())
        want = to_doubles(entry(found->second, s));
      else
        want = stepped(state.at(key), to_doubles(entry(file.at("expected." + buffer_of(key)), s)));
      expect_as_good(thin(got), want, number(entry(file.at("error." + key), s)), key + where);
    }
  }
}

// (a) The network of examples/fashion at its full size: blocked formats, jit kernels. What is off.
std::string one_step_of_the_example(Session session) {
  auto file = fixture("example").tensors;
  auto state = drawn_state(session);
  session.restore({.step = 0, .tensors = state});
  double loss = step(session, 200000).loss;
  std::string off =
      worse({loss}, {number(file.at("expected.loss"))}, number(file.at("error.loss")), "loss");
  for (auto& [key, got] : session.state().all()) {
    if (got.dtype != DType::f32) continue;
    auto found = file.find("expected." + key);
    auto want = found != file.end()
                    ? to_doubles(found->second)
                    : stepped(state.at(key), to_doubles(file.at("expected." + buffer_of(key))));
    off += worse(thin(got), want, number(file.at("error." + key)), key);
  }
  return off;
}

TEST_P(Parity, one_step_of_the_example) {
  EXPECT_EQ(one_step_of_the_example(open("example", GetParam())), "");
}

// What the rule must catch: statistics of a quarter of the batch, and a decay that is 2 % off.
TEST(ParityMutants, are_caught) {
  Diagnostics found;
  Model model = read_file(parity_folder() + "example.yaml", {}, found);
  found.raise();
  Model alone = model, decay = model;
  for (auto& layer : alone.layers) layer.sync = 1;
  set(decay.optimizer->params, "weight_decay", 0.00051);
  EXPECT_EQ(one_step_of_the_example(Session(model)), "");
  EXPECT_NE(one_step_of_the_example(Session(alone)), "");
  EXPECT_NE(one_step_of_the_example(Session(decay)), "");
}

// (b) Tanh and average pooling instead of ReLU and max pooling: 20 steps, 1e-4 of each tensor's
// largest element. conv2's bias stands before a batch norm: its true gradient is 0, what is left of
// it is rounding, and it is compared absolutely.
TEST_P(Parity, smooth_twin_over_twenty_steps) {
  auto file = fixture("smooth").tensors;
  auto session = open("smooth", GetParam());
  session.restore({.step = 0, .tensors = drawn_state(session)});
  auto losses = to_doubles(file.at("expected.loss"));
  ASSERT_EQ(losses.size(), 20u);
  for (size_t i = 0; i < losses.size(); ++i)
    EXPECT_NEAR(step(session, 200000 + i).loss, losses[i], 1e-5 * losses[i]) << "step " << i;
  for (auto& [key, got] : session.state().all()) {
    if (got.dtype != DType::f32) continue;
    auto [apart, largest] = distance(thin(got), to_doubles(file.at("expected." + key)));
    double scale = key.find("conv2.bias") == std::string::npos ? largest : 0.1;
    EXPECT_LE(apart, 1e-4 * scale) << key << ", largest element " << largest;
  }
}

// (c) Five PyTorch runs whose first weights differ by one ulp say how far apart equally good runs
// drift. Theirs is the band of each step; it is widened to twice the widest band so far, because a
// sixth run leaves the range of five at every third step by chance alone, and because runs part at
// moments of their own. Until they part the band is rounding: 1e-5 of the loss.
TEST_P(Parity, loss_curve_within_the_spread_of_perturbed_runs) {
  auto losses = fixture("curves").tensors.at("losses");
  auto all = to_doubles(losses);
  size_t runs = size_t(losses.dims[0]), steps = size_t(losses.dims[1]);
  ASSERT_EQ(runs, 5u);
  auto session = open("one_step", GetParam());
  session.restore({.step = 0, .tensors = drawn_state(session)});
  double widest = 0;
  for (size_t i = 0; i < steps; ++i) {
    double low = INFINITY, high = -INFINITY;
    for (size_t r = 0; r < runs; ++r) {
      low = std::min(low, all[r * steps + i]);
      high = std::max(high, all[r * steps + i]);
    }
    widest = std::max(widest, high - low);
    double margin = widest / 2 + 1e-5 * high, loss = step(session, 300000 + i).loss;
    EXPECT_GE(loss, low - margin) << "step " << i;
    EXPECT_LE(loss, high + margin) << "step " << i;
  }
}

}  // namespace
}  // namespace braid::test
