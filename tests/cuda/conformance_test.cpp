// Every layer of the registry on a CUDA device, by its own samples, against the f64 reference: as
// tests/nodes/conformance_test.cpp does it for the CPU. A layer with an operation that has no
// kernel for CUDA is skipped; EveryOperationHasACudaKernel says which are missing.
#include <gtest/gtest.h>

#include "conformance/conformance.h"
#include "cuda/rig.h"

namespace braid::test {
namespace {

constexpr double tolerance = 1e-4;

/// For the tests' names: no device is asked for anything.
const Registry& registry() {
  static const Registry registry = [] {
    Registry r;
    register_builtin(r);
    cuda::make_backend()->register_kernels(r);
    return r;
  }();
  return registry;
}

std::set<std::string> without_kernel(const Graph& graph) {
  std::set<std::string> missing;
  auto need = [&](const std::string& op) {
    if (!registry().has_kernel(op, "cuda")) missing.insert(op);
  };
  for (auto& node : graph.nodes) {
    need(node.op->name);
    if (!node.op->merge.empty()) need("merge_" + node.op->merge);
  }
  return missing;
}

std::string joined(const std::set<std::string>& names) {
  std::string all;
  for (auto& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

#define SKIP_WITHOUT_KERNELS(graph)                           \
  if (auto missing = without_kernel(graph); !missing.empty()) \
  GTEST_SKIP() << "no kernel for CUDA: " << joined(missing)

/// The Interpreter's operations on the device; ganged: all replicas' in one launch.
OperationRunner on_cuda(bool gang) {
  return [gang](const Node& node, std::span<SliceCall> calls, const Scalars& scalars) {
    std::vector<CudaPart> parts;
    for (auto& c : calls)
      parts.push_back(
          {.in = c.in, .out = c.out, .scalars = scalars, .first_sample = c.first_sample});
    auto done = rig().run(node.op->name, parts, node.attrs, gang);
    if (std::ranges::any_of(done.status, [](int64_t s) { return s != 0; }))
      throw std::runtime_error(node.op->name + " failed");
  };
}

InterpreterOptions cuda_options(int replicas = 1, bool gang = true) {
  return {.device = "cuda", .replicas = replicas, .runner = on_cuda(gang)};
}

std::string check_mode(const Case& c, Mode mode, int64_t batch) {
  Experiment e(c, mode, batch);
  return difference(e.run(cuda_options()), e.run({.device = "reference"}), tolerance);
}

TEST(Cuda, EveryOperationHasACudaKernel) {
  std::set<std::string> missing;
  for (auto& op : registry().ops())
    if (op != "reorder" && !registry().has_kernel(op, "cuda")) missing.insert(op);
  EXPECT_TRUE(missing.empty()) << missing.size() << " are missing: " << joined(missing);
}

std::string name_of(const ::testing::TestParamInfo<Case>& info) { return info.param.name(); }

class OnCuda : public ::testing::TestWithParam<Case> {};

TEST_P(OnCuda, AgreesWithTheReferenceInTraining) {
  SKIP_WITHOUT_KERNELS(*GetParam().graph(Mode::train));
  EXPECT_EQ(check_mode(GetParam(), Mode::train, 5), "");
}

TEST_P(OnCuda, AgreesWithTheReferenceInEvaluation) {
  SKIP_WITHOUT_KERNELS(*GetParam().graph(Mode::eval));
  EXPECT_EQ(check_mode(GetParam(), Mode::eval, 5), "");
  EXPECT_EQ(check_mode(GetParam(), Mode::eval, 1), "") << "for a single sample";
}

// 5 samples over 4 replicas are 2, 1, 1, 1; 3 samples leave one replica without any.
TEST_P(OnCuda, DoesNotDependOnReplicasNorOnGangs) {
  SKIP_WITHOUT_KERNELS(*GetParam().graph(Mode::train));
  for (int64_t batch : {5, 3}) {
    Experiment e(GetParam(), Mode::train, batch);
    auto judge = e.run({.device = "reference"});
    for (int replicas : {2, 4}) {
      auto ganged = e.run(cuda_options(replicas));
      EXPECT_EQ(difference(ganged, judge, tolerance), "")
          << batch << " samples over " << replicas << " replicas";
      EXPECT_EQ(same_bits(ganged, e.run(cuda_options(replicas, false))), "")
          << "a launch for each of " << replicas << " replicas";
    }
  }
}

TEST_P(OnCuda, GivesEqualBitsEveryTime) {
  SKIP_WITHOUT_KERNELS(*GetParam().graph(Mode::train));
  Experiment e(GetParam(), Mode::train);
  EXPECT_EQ(same_bits(e.run(cuda_options()), e.run(cuda_options())), "");
}

// The output in the memory of the input that the offer names.
TEST_P(OnCuda, WorksInPlace) {
  SKIP_WITHOUT_KERNELS(*GetParam().graph(Mode::train));
  Experiment e(GetParam(), Mode::train);
  auto plain = cuda_options(), in_place = cuda_options();
  in_place.in_place = true;
  EXPECT_EQ(same_bits(e.run(plain), e.run(in_place)), "");
}

INSTANTIATE_TEST_SUITE_P(Layers, OnCuda,
                         ::testing::ValuesIn(cases(registry(),
                                                   {Role::layer, Role::loss, Role::metric})),
                         name_of);

class CudaOptimizer : public ::testing::TestWithParam<Case> {};

TEST_P(CudaOptimizer, AgreesWithTheReferenceOverThreeSteps) {
  SKIP_WITHOUT_KERNELS(UpdateGraph(GetParam()).graph);
  auto made = updated(GetParam(), cuda_options());
  EXPECT_EQ(difference(made, updated(GetParam(), {.device = "reference"}), 1e-5), "");
  EXPECT_EQ(same_bits(made, updated(GetParam(), cuda_options())), "");
}

INSTANTIATE_TEST_SUITE_P(Layers, CudaOptimizer,
                         ::testing::ValuesIn(cases(registry(), {Role::optimizer})), name_of);

}  // namespace
}  // namespace braid::test
