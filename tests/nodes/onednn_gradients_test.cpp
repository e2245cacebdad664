// The f64 judges of the gradients, by finite differences of the f64 judges of the forward pass:
// for a random g, d/dx of sum(g * forward(x)) is what the gradient's operation says.
#include "nodes/onednn_cases.h"

namespace braid::test::onednn {
namespace {

double dot(const Plain& a, const Plain& b) {
  double sum = 0;
  for (size_t i = 0; i < a.values.size(); ++i) sum += a.values[i] * b.values[i];
  return sum;
}

/// Central differences of sum(g * op(in)[0]) along input `which`.
Plain differences(const Rig& rig, Ask ask, const Plain& g, size_t which) {
  const double step = 1e-6;  // small: maxima must not change places
  Plain result = ask.in[which];
  for (size_t i = 0; i < result.values.size(); ++i) {
    double at = ask.in[which].values[i];
    ask.in[which].values[i] = at + step;
    double above = dot(g, rig.run(ask, "reference")[0]);
    ask.in[which].values[i] = at - step;
    double below = dot(g, rig.run(ask, "reference")[0]);
    ask.in[which].values[i] = at;
    result.values[i] = (above - below) / (2 * step);
  }
  return result;
}

class Gradients : public ::testing::Test {
 protected:
  Plain judge(const std::string& op, Dict attrs, std::vector<Plain> in, size_t result = 0,
              std::map<int, DType> dtypes = {}) {
    return rig.run({op, std::move(attrs), std::move(in), std::move(dtypes)}, "reference")[result];
  }

  Rig rig;
};

TEST_F(Gradients, OfConv2d) {
  for (auto& c : conv_cases()) {
    if (c.in * c.height * c.width > 500) continue;  // small ones say as much
    SCOPED_TRACE(c.name);
    Ask ask{"conv2d",
            c.attrs(),
            {random({2, c.in, c.height, c.width}, 1),
             random({c.out, c.in / c.groups, c.kernel_h, c.kernel_w}, 2), random({c.out}, 3)}};
    if (ask.in[1].values.size() > 1500) continue;
    Plain g = random(rig.run(ask, "reference")[0].dims, 4);
    Dict input = c.attrs(), weight = c.attrs();
    set(input, "input_size", Attr::List{c.height, c.width});
    set(weight, "kernel_size", Attr::List{c.kernel_h, c.kernel_w});
    set(weight, "bias", true);
    auto &x = ask.in[0], &w = ask.in[1];
    EXPECT_LE(distance(judge("conv2d_grad_input", input, {g, w}), differences(rig, ask, g, 0)),
              1e-7);
    EXPECT_LE(distance(judge("conv2d_grad_weight", weight, {x, g}), differences(rig, ask, g, 1)),
              1e-7);
    EXPECT_LE(distance(judge("conv2d_grad_weight", weight, {x, g}, 1), differences(rig, ask, g, 2)),
              1e-7);
  }
}

TEST_F(Gradients, OfLinear) {
  Ask ask{
      "matmul", {{"transpose_b", true}}, {random({4, 7}, 1), random({5, 7}, 2), random({5}, 3)}};
  Plain g = random({4, 5}, 4);
  auto &x = ask.in[0], &w = ask.in[1];
  EXPECT_LE(distance(judge("matmul", {}, {g, w}), differences(rig, ask, g, 0)), 1e-7);
  EXPECT_LE(distance(judge("matmul", {{"transpose_a", true}}, {g, x}), differences(rig, ask, g, 1)),
            1e-7);
  EXPECT_LE(distance(judge("column_sum", {}, {g}), differences(rig, ask, g, 2)), 1e-7);
}

TEST_F(Gradients, OfPooling) {
  for (auto& c : pool_cases()) {
    SCOPED_TRACE(c.name);
    Plain x = random({1, 2, c.height, c.width}, 5);
    Plain g = random({1, 2, c.result(c.height), c.result(c.width)}, 6);
    Dict max = c.attrs(), gradient = c.attrs();
    set(max, "indices", true);
    set(gradient, "input_size", Attr::List{c.height, c.width});
    DType dtype = c.kernel * c.kernel > 255 ? DType::i32 : DType::u8;
    EXPECT_LE(distance(judge("max_pool2d_grad", gradient, {g, places(c, x)}, 0, {{1, dtype}}),
                       differences(rig, {"max_pool2d", max, {x}}, g, 0)),
              1e-7);
    if (c.dilation > 1) continue;
    EXPECT_LE(distance(judge("avg_pool2d_grad", gradient, {g}),
                       differences(rig, {"avg_pool2d", c.attrs(), {x}}, g, 0)),
              1e-7);
  }
}

TEST_F(Gradients, OfAdaptivePooling) {
  for (auto [height, out] : {std::pair{7, 1}, {7, 3}, {2, 4}, {6, 3}}) {
    Plain x = random({2, 3, height, 5}, 7), g = random({2, 3, out, 2}, 8);
    Ask ask{"adaptive_avg_pool2d", {{"output_size", Attr::List{out, 2}}}, {x}};
    Dict attrs = {{"input_size", Attr::List{height, 5}}};
    EXPECT_LE(distance(judge("adaptive_avg_pool2d_grad", attrs, {g}), differences(rig, ask, g, 0)),
              1e-7);
  }
}

}  // namespace
}  // namespace braid::test::onednn
