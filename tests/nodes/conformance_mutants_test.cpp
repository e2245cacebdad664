// The conformance checks themselves: layers that are broken on purpose must not pass. Each mutant
// replaces one definition or kernel of a registry that is whole otherwise.
#include "conformance/conformance.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

using Loop = std::function<void(const float* x, float* y, int64_t n)>;

/// tanh on the CPU, as `loop` has it.
Registry with_tanh(Loop loop, int alias = -1) {
  Registry r = builtin();
  auto make = [loop](const Signature& s) -> KernelBody {
    return [loop, n = s.in[0].storage()](const KernelArgs& a) {
      loop(a.in<float>(0), a.out<float>(0), n);
    };
  };
  r.add(elementwise_kernel("tanh", "cpu", make, true, alias));
  return r;
}

void honest(const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::tanh(x[i]);
}

Case tanh_of(const Registry& r) { return {&r, r.layer("Tanh"), 0}; }

TEST(Mutants, AnHonestKernelPasses) {
  Registry r = with_tanh(honest, 0);
  EXPECT_EQ(check_kernels(tanh_of(r), Mode::train, 5), "");
  EXPECT_EQ(check_repeatable(tanh_of(r)), "");
  EXPECT_EQ(check_company(tanh_of(r)), "");
  EXPECT_EQ(check_formats(tanh_of(r)), "");
}

TEST(Mutants, AnElementLeftOutIsFound) {
  Registry r = with_tanh([](const float* x, float* y, int64_t n) { honest(x, y, n - 1); });
  EXPECT_NE(check_kernels(tanh_of(r), Mode::train, 5), "");
}

TEST(Mutants, WritingBehindTheResultIsFound) {
  Registry r = with_tanh([](const float* x, float* y, int64_t n) {
    honest(x, y, n);
    y[n] = 0;
  });
  EXPECT_THROW(check_kernels(tanh_of(r), Mode::train, 5), std::runtime_error);
}

TEST(Mutants, ReadingWhatWasWrittenOverIsFound) {
  auto backwards_neighbour = [](const float* x, float* y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = 0 * x[i == 0 ? 0 : i - 1] + std::tanh(x[i]);
    for (int64_t i = 1; i < n; ++i) y[i] += 1e-3f * x[i - 1];
  };
  Registry r = with_tanh(backwards_neighbour, 0);
  EXPECT_NE(check_repeatable(tanh_of(r)), "");
}

TEST(Mutants, AKernelWithAMemoryIsFound) {
  auto calls = std::make_shared<int>(0);
  Registry r = with_tanh([calls](const float* x, float* y, int64_t n) {
    honest(x, y, n);
    y[0] += 1e-6f * float(++*calls);
  });
  EXPECT_NE(check_repeatable(tanh_of(r)), "");
}

TEST(Mutants, BitsThatDependOnTheBatchAreFound) {
  Registry r = with_tanh([](const float* x, float* y, int64_t n) {
    honest(x, y, n);
    if (n > 200) y[3] = std::nextafter(y[3], 2.0f);
  });
  EXPECT_EQ(check_kernels(tanh_of(r), Mode::eval, 5), "");  // too small for a tolerance
  EXPECT_NE(check_company(tanh_of(r)), "");
}

TEST(Mutants, PaddingThatIsNotKeptZeroIsFound) {
  Registry r = builtin();
  auto make = [](const Signature& s) -> KernelBody {
    return [n = s.in[0].storage()](const KernelArgs& a) {
      for (int64_t i = 0; i < n; ++i) a.out<float>(0)[i] = std::cos(a.in<float>(0)[i]);
    };
  };
  r.add(OpDef{.name = "cos", .infer = same_type});
  r.add(elementwise_kernel("cos", "cpu", make));  // cos(0) = 1, and it does not say so
  auto judge = [](const Signature& s) -> KernelBody {
    return [n = s.in[0].elements()](const KernelArgs& a) {
      for (int64_t i = 0; i < n; ++i) a.out<double>(0)[i] = std::cos(a.in<double>(0)[i]);
    };
  };
  r.add(plain_kernel("cos", "reference", judge));
  r.add(LayerDef{.name = "Cos",
                 .doc = "cos(x)",
                 .inputs = {{"input"}},
                 .forward = [](Builder& b, Call& c) { return b.add("cos", c.in); },
                 .samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}}}}});
  EXPECT_THROW(check_formats({&r, r.layer("Cos"), 0}), std::runtime_error);
}

/// Tanh's definition with another gradient.
Registry with_gradient(std::function<std::vector<int>(Builder&, const Call&, int g)> gradient) {
  Registry r = builtin();
  LayerDef def = *r.layer("Tanh");
  def.gradient = [gradient](Builder& b, const Call& c, const std::vector<int>& g) {
    return gradient(b, c, g[0]);
  };
  r.add(def);
  return r;
}

TEST(Mutants, AGradientThatIsNotTheSlopeIsFound) {
  Registry r = with_gradient([](Builder&, const Call&, int g) { return std::vector<int>{g}; });
  EXPECT_NE(check_gradient(tanh_of(r)), "");
}

TEST(Mutants, AGradientThatIsLeftOutIsFound) {
  Registry r = with_gradient([](Builder&, const Call&, int) { return std::vector<int>{-1}; });
  EXPECT_EQ(check_gradient(tanh_of(r)), "no gradient for input0");
}

TEST(Mutants, AMeanOfReplicaMeansIsFound) {
  Registry r = builtin();
  LayerDef def = *r.layer("CrossEntropy");
  def.gradient = [](Builder& b, const Call& c, const std::vector<int>&) {
    // The count of one replica's targets, never merged: group 1.
    Dict attrs = c.params;
    auto g = b.add("xent_grad", {c.saved.at("p"), c.in[1], c.saved.at("count")}, attrs, 1);
    return std::vector<int>{g[0], -1};
  };
  r.add(def);
  Case c{&r, r.layer("CrossEntropy"), 0};
  EXPECT_EQ(check_kernels(c, Mode::train, 5), "");
  EXPECT_NE(check_replicas(c), "");
}

TEST(Mutants, AMetricThatIsFinishedTooEarlyIsFound) {
  Registry r = builtin();
  auto make = [](const Signature& s) -> KernelBody {
    return [n = s.in[1].elements()](const KernelArgs& a) {  // a mean instead of a sum
      double equal = 0;
      for (int64_t i = 0; i < n; ++i) equal += a.in<int64_t>(1)[i] == 3;
      a.out<double>(0)[0] = equal / double(n);
    };
  };
  EXPECT_EQ(check_totals({&r, r.layer("Accuracy"), 0}), "");
  r.add(plain_kernel("correct", "cpu", make));
  EXPECT_NE(check_totals({&r, r.layer("Accuracy"), 0}), "");
}

TEST(Mutants, AMetricOfManyTotalsWithoutAFinishIsFound) {
  Registry r = builtin();
  LayerDef def = *r.layer("MeanIoU");
  EXPECT_EQ(check_totals({&r, r.layer("MeanIoU"), 0}), "");
  def.finish = nullptr;
  r.add(def);
  EXPECT_NE(check_totals({&r, r.layer("MeanIoU"), 0}), "");
}

TEST(Mutants, AnUpdateThatForgetsItsMomentumIsFound) {
  Registry r = builtin();
  auto make = [](const Signature& s) -> KernelBody {
    return [n = s.in[0].elements()](const KernelArgs& a) {
      for (int64_t i = 0; i < n; ++i)
        a.in<float>(0)[i] -= float(a.scalars->lr) * (a.in<float>(1)[i] = a.in<float>(2)[i]);
    };
  };
  r.add(plain_kernel("sgd_momentum", "cpu", make));
  EXPECT_EQ(check_update({&r, r.layer("SGD"), 0}), "");  // has no momentum
  EXPECT_NE(check_update({&r, r.layer("SGD"), 1}), "");
}

}  // namespace
}  // namespace braid::test
