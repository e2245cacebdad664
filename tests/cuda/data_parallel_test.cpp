// The replication API on CUDA devices: a facade like on the CPU, over the same runtime.
#include <gtest/gtest.h>

#include <braid/core/random.h>
#include <braid/runtime/data_parallel.h>

#include "backend.h"
#include "cuda/machine.h"

namespace braid {
namespace {

Array random(std::vector<int64_t> dims, uint64_t key) {
  Array array = Array::zeros(DType::f32, std::move(dims));
  for (size_t i = 0; i < array.as<float>().size(); ++i)
    array.as<float>()[i] = float(normal(key, i));
  return array;
}

double distance(const Array& a, const Array& b) {
  if (a.dims != b.dims) return 1e30;
  double most = 0, largest = 1e-30;
  for (size_t i = 0; i < a.as<float>().size(); ++i) {
    most = std::max(most, std::abs(double(a.as<float>()[i]) - double(b.as<float>()[i])));
    largest = std::max(largest, std::abs(double(b.as<float>()[i])));
  }
  return most / largest;
}

struct Count : Layer, OnReplicate {
  explicit Count(int& calls) : Layer("Identity"), calls(calls) {}
  void on_replicate(CallbackContext&, int) override { ++calls; }
  int& calls;
};

std::shared_ptr<Sequential> network(int& calls) {
  return std::make_shared<Sequential>(std::vector<std::shared_ptr<Module>>{
      std::make_shared<Conv2d>(3, 8, 3), std::make_shared<SynchronizedBatchNorm2d>(8),
      std::make_shared<ReLU>(), std::make_shared<Count>(calls)});
}

TEST(CudaDataParallel, ForwardBackwardAndCallbacksAreThoseOfTheCpu) {
  machine::reset();
  int calls = 0, host_calls = 0;
  DataParallelWithCallback host(network(host_calls), {0, 1, 2});
  DataParallelOptions options{.device = "cuda", .backend = {cuda::make_backend()}};
  for (const auto& ids : {std::vector<int>{0, 0, 0}, std::vector<int>{0}}) {
    calls = 0;
    DataParallelWithCallback parallel(network(calls), ids, options);
    parallel.module().load_state_dict(host.module().state_dict());
    const Array x = random({5, 3, 6, 7}, 3), dy = random({5, 8, 4, 5}, 4);
    auto expected = host.forward(x);
    EXPECT_LE(distance(parallel.forward(x), expected), 1e-5);
    EXPECT_EQ(calls, int(ids.size()));
    auto g = parallel.backward(dy), judge = host.backward(dy);
    EXPECT_LE(distance(g.inputs[0], judge.inputs[0]), 1e-4);
    for (auto& [key, gradient] : judge.parameters) {
      if (key == "0.bias") continue;  // before a batch norm its true gradient is 0
      EXPECT_LE(distance(g.parameters.at(key), gradient), 1e-4) << key;
    }
  }
}

TEST(CudaDataParallel, IdsAreNumbersOfGpus) {
  machine::reset();
  NEEDS_DEVICES(2);
  DataParallelOptions options{.device = "cuda", .backend = {cuda::make_backend()}};
  int calls = 0;
  const Array x = random({4, 3, 6, 7}, 3);
  auto first = network(calls);
  DataParallelWithCallback forwards(first, {0, 1}, options), backwards(first, {1, 0}, options);
  auto y = forwards.forward(x);
  EXPECT_EQ(backwards.forward(x).bytes, y.bytes);
  try {
    DataParallelWithCallback(network(calls), {0, 97}, options).forward(x);
    FAIL() << "there is no cuda:97";
  } catch (const Error& e) {
    EXPECT_EQ(e.diagnostics().front().code, "E0509");
  }
}

}  // namespace
}  // namespace braid
