// Parameters that the file fixes, and losses whose target is a number.
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/models.h"
#include "support/square_loss.h"

namespace braid::test {
namespace {

Model read(const std::string& text) {
  Diagnostics found;
  Model model = read_text(text, "net.yaml", {}, found);
  found.raise();
  return model;
}

Registry registry_with_squares() {
  Registry registry;
  register_builtin(registry);
  test::register_square_loss(registry);
  return registry;
}

const char* const blurred = R"(braid: 1
replicas: 2
batch: {global: 8}
inputs: {image: {shape: [N, 2, 9, 9], dtype: f32}}
layers:
  - {name: blur, type: Conv2d, out_channels: 2, kernel_size: [5, 3], groups: 2, bias: false, padding: [2, 1],
     constant: {weight: {gaussian: {sigma: 1.5}}}}
  - {name: conv, type: Conv2d, out_channels: 3, kernel_size: 3, constant: {bias: 0.5}}
outputs: {y: conv}
loss: {type: Squares, from: conv, target: 0.25}
optimizer: {type: SGD, lr: 0.1}
)";

TEST(Constant, IsABufferThatNoStepMoves) {
  Session session(read(blurred), {}, registry_with_squares());
  Diagnostics found;
  Summary summary = check(session.model(), session.registry(), found);
  EXPECT_EQ(summary.parameters, 3 * 2 * 9);
  EXPECT_EQ(summary.buffers, 2 * 15 + 3);
  auto before = session.weights();
  for (int i = 0; i < 3; ++i) {
    RandomBatch batch(session.model(), 8, uint64_t(i));
    session.step(batch.pointers, 8, 0.1);
  }
  auto after = session.weights();
  EXPECT_EQ(after.at("blur.weight").bytes, before.at("blur.weight").bytes);
  EXPECT_EQ(after.at("conv.bias").bytes, before.at("conv.bias").bytes);
  EXPECT_NE(after.at("conv.weight").bytes, before.at("conv.weight").bytes);
}

// exp(-d² / 2σ²) over the distance from the middle, divided by the sum: FOMM's anti-aliasing.
TEST(Constant, GaussiansAreBellsThatAddUpToOne) {
  Session session(read(blurred), {}, registry_with_squares());
  auto weights = session.weights();
  auto kernel = std::as_const(weights.at("blur.weight")).as<float>();
  ASSERT_EQ(kernel.size(), 30u);
  double sum = 0;
  auto bell = [](double y, double x) { return std::exp(-(y * y + x * x) / (2 * 1.5 * 1.5)); };
  for (int y = -2; y <= 2; ++y)
    for (int x = -1; x <= 1; ++x) sum += bell(y, x);
  for (size_t k = 0; k < 30; ++k) {
    int y = int(k % 15 / 3) - 2, x = int(k % 3) - 1;
    EXPECT_FLOAT_EQ(kernel[k], float(bell(y, x) / sum));
  }
}

TEST(ConstantTarget, IsATensorOfThatNumber) {
  Model model = read(blurred), given = model;
  given.inputs.push_back({"target", {DType::f32, {N, 3, 7, 7}}});
  given.losses[0].target.reset();
  given.losses[0].from.push_back(Link::input(1));
  for (int64_t accumulate : {1, 2}) {
    model.batch.accumulate = given.batch.accumulate = accumulate;
    Session one(model, {.devices = cpus(2)}, registry_with_squares());
    Session two(given, {.devices = cpus(1)}, registry_with_squares());
    for (int64_t batch : {8, 5, 3}) {
      RandomBatch images(model, batch, uint64_t(batch));
      const std::vector<float> target(size_t(batch) * 147, 0.25f);
      auto a = one.step(images.pointers, batch, 0.1);
      auto b = two.step({images.pointers[0], target.data()}, batch, 0.1);
      EXPECT_EQ(a.loss, b.loss);
      EXPECT_GT(a.loss, 0);
      EXPECT_EQ(one.state().digest(0), two.state().digest(0)) << batch;
    }
  }
}

}  // namespace
}  // namespace braid::test
