// Activations on a device at points where they bend, which random samples seldom reach, against the
// CPU's kernels (whose values tests/nodes/activations_test.cpp knows).
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/rig.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

const Numbers points{-90, -4, -3, -1, -0.5, 0, 0.5, 1, 1.6, 3, 5, 6, 7, 21, 90};

TensorPtr tensor(const Numbers& numbers) {
  auto t = std::make_shared<Tensor>(Operand{DType::f32, {int64_t(numbers.size())}});
  t->assign(numbers);
  return t;
}

/// What the operation makes of arrays: on the device, then on the CPU.
std::pair<Numbers, Numbers> both(const std::string& op, const Dict& attrs,
                                 const std::vector<Numbers>& in) {
  std::vector<TensorPtr> inputs;
  for (auto& numbers : in) inputs.push_back(tensor(numbers));
  std::vector<CudaPart> part{{.in = inputs, .out = {tensor(in[0])}}};
  rig().run(op, part, attrs);
  auto judge = tensor(in[0]);
  std::vector<void*> from;
  for (auto& t : inputs) from.push_back(t->data());
  OpCall(op, std::vector<Operand>(in.size(), judge->operand), {judge->operand}, attrs)
      .run(from, {judge->data()});
  return {part[0].out[0]->numbers(), judge->numbers()};
}

void expect_alike(const std::string& op, const Dict& attrs, const std::vector<Numbers>& in) {
  const auto [made, judge] = both(op, attrs, in);
  for (size_t i = 0; i < judge.size(); ++i)
    EXPECT_NEAR(made[i], judge[i], 1e-6 * (1 + std::abs(judge[i]))) << op << " at " << points[i];
}

TEST(CudaActivations, BendWhereTheCpusDo) {
  const Numbers g(points.size(), 2.0);
  struct Curve {
    const char* op;
    Dict attrs;
  };
  for (auto& [op, attrs] :
       {Curve{"silu", {}}, Curve{"hardswish", {}}, Curve{"elu", {{"alpha", 0.5}}},
        Curve{"softplus", {{"beta", 2.0}, {"threshold", 3.0}}},
        Curve{"gelu", {{"approximate", "none"}}}, Curve{"gelu", {{"approximate", "tanh"}}}}) {
    expect_alike(op, attrs, {points});
    expect_alike(std::string(op) + "_grad", attrs, {g, points});
  }
  expect_alike("relu6", {}, {points});
  expect_alike("relu6_grad", {}, {g, both("relu6", {}, {points}).second});
}

TEST(CudaActivations, ANaNStaysOne) {
  for (const char* op : {"relu6", "silu", "hardswish"})
    EXPECT_TRUE(std::isnan(both(op, {}, {{NAN}}).first[0])) << op;
}

}  // namespace
}  // namespace braid::test
