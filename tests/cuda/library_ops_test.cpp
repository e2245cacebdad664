// What layers' samples do not reach of convolutions, products, pooling and sums: padding that
// differs on both sides, tiles, rows of whole packs, windows of many cells, NaN.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "cuda/direct.h"
#include "cuda/rig.h"
#include "max_pool2d/axis.h"

namespace braid::test {
namespace {

Rig& rig() {
  static Rig rig;
  return rig;
}

Numbers random_numbers(int64_t count, int seed) {
  std::mt19937 random{unsigned(seed)};
  std::normal_distribution<double> normal;
  Numbers numbers(size_t(count), 0.0);
  for (auto& v : numbers) v = double(float(normal(random)));
  return numbers;
}

using Dims = std::vector<int64_t>;

struct Question {
  std::string op;
  Dict attrs = {};
  std::vector<Dims> in = {};
  std::vector<DType> out = {DType::f32};  ///< their dtypes
  std::vector<Dims> out_dims = {};
};

TensorPtr tensor(DType dtype, const Dims& dims, const Numbers& numbers = {}) {
  auto t = std::make_shared<Tensor>(Operand{dtype, dims});
  if (!numbers.empty()) t->assign(numbers);
  return t;
}

std::vector<TensorPtr> outputs_of(const Question& q, DType floating) {
  std::vector<TensorPtr> out;
  for (size_t i = 0; i < q.out.size(); ++i)
    out.push_back(tensor(q.out[i] == DType::f32 ? floating : q.out[i], q.out_dims[i]));
  return out;
}

/// Largest difference from the reference, relative to its maximum, over all outputs; infinite when
/// integers differ.
double error_of(const Question& q, std::vector<Numbers> in) {
  CudaPart part{.out = outputs_of(q, DType::f32)}, judge{.out = outputs_of(q, DType::f64)};
  for (size_t i = 0; i < in.size(); ++i) {
    part.in.push_back(tensor(DType::f32, q.in[i], in[i]));
    judge.in.push_back(tensor(DType::f64, q.in[i], in[i]));
  }
  rig().run(q.op, {part}, q.attrs);
  auto signature = Rig::signature(q.op, q.attrs, judge);
  auto offer = rig().registry().offer(signature, {.kind = "reference", .isa = ""});
  std::vector<void*> inputs, outputs;
  for (auto& t : judge.in) inputs.push_back(t->data());
  for (auto& t : judge.out) outputs.push_back(t->data());
  offer->bind()({.inputs = inputs.data(), .outputs = outputs.data()});
  double worst = 0;
  for (size_t k = 0; k < q.out.size(); ++k) {
    if (q.out[k] != DType::f32) {
      if (std::memcmp(part.out[k]->data(), judge.out[k]->data(), part.out[k]->bytes()) != 0)
        return INFINITY;
      continue;
    }
    const Numbers made = part.out[k]->numbers(), right = judge.out[k]->numbers();
    double most = 1e-30, difference = 0;
    for (size_t i = 0; i < made.size(); ++i) {
      most = std::max(most, std::abs(right[i]));
      difference = std::max(difference, std::abs(made[i] - right[i]));
    }
    worst = std::max(worst, difference / most);
  }
  return worst;
}

double error_of(const Question& q) {
  std::vector<Numbers> in;
  for (auto& dims : q.in) {
    in.push_back(random_numbers(storage_elements(dims, {}), int(in.size()) + 1));
  }
  return error_of(q, in);
}

// ---- convolutions

Dict conv_attrs(Attr::List padding, int64_t stride = 1, int64_t dilation = 1, int64_t groups = 1) {
  return {{"stride", Attr::List{stride, stride}},
          {"padding", padding},
          {"dilation", Attr::List{dilation, dilation}},
          {"groups", groups}};
}

// [top, left, bottom, right]: what "same" gives kernels of even size, and the other way round.
TEST(CudaConvolution, PadsTheTwoSidesDifferently) {
  for (auto& padding : {Attr::List{1, 0, 2, 1}, Attr::List{2, 1, 0, 0}, Attr::List{0, 3, 3, 0}}) {
    auto attrs = conv_attrs(padding);
    const int64_t height = 6 + padding[0].as_int() + padding[2].as_int() - 3;
    const int64_t width = 5 + padding[1].as_int() + padding[3].as_int() - 1;
    const Dims x = {3, 2, 6, 5}, w = {4, 2, 4, 2}, y = {3, 4, height, width};
    EXPECT_LT(error_of({"conv2d", attrs, {x, w, {4}}, {DType::f32}, {y}}), 1e-6);
    auto of_input = attrs, of_weight = attrs;
    set(of_input, "input_size", Attr::List{6, 5});
    EXPECT_LT(error_of({"conv2d_grad_input", of_input, {y, w}, {DType::f32}, {x}}), 1e-6);
    set(of_weight, "kernel_size", Attr::List{4, 2});
    set(of_weight, "bias", true);
    EXPECT_LT(
        error_of({"conv2d_grad_weight", of_weight, {x, y}, {DType::f32, DType::f32}, {w, {4}}}),
        1e-6);
  }
}

// Where a stride leaves the cells of the longer padding over, no copy is made.
TEST(CudaConvolution, SkipsPaddingThatNoWindowSees) {
  auto attrs = conv_attrs({1, 1, 2, 2}, 3);
  EXPECT_LT(error_of({"conv2d", attrs, {{2, 3, 7, 7}, {5, 3, 3, 3}}, {DType::f32}, {{2, 5, 3, 3}}}),
            1e-6);
}

// The kernels for what cuDNN does not take, against the same reference.
TEST(CudaConvolution, IsAlsoWrittenOut) {
  Device& device = rig().device();
  DeviceMemory& memory = device;
  const cuda::ConvShape s{.samples = 2,
                          .in_channels = 4,
                          .in_height = 7,
                          .in_width = 6,
                          .out_channels = 6,
                          .out_height = 4,
                          .out_width = 3,
                          .kernel = {3, 2},
                          .stride = {2, 2},
                          .padding = {2, 1},
                          .dilation = {2, 2},
                          .groups = 2};
  const Dict attrs = conv_attrs({2, 1, 2, 1}, 2, 2, 2);
  const Dims x = {2, 4, 7, 6}, w = {6, 2, 3, 2}, y = {2, 6, 4, 3};
  auto place = [&](const Dims& dims, int seed) {
    const int64_t count = storage_elements(dims, {});
    std::vector<float> values;
    for (double v : random_numbers(count, seed)) values.push_back(float(v));
    void* at = memory.allocate(count * 4);
    memory.write(at, values.data(), count * 4);
    return static_cast<float*>(at);
  };
  auto check = [&](const std::string& op, Dict of, const Dims& a, const Dims& b, const Dims& out,
                   auto run) {
    float *first = place(a, 1), *second = place(b, 2), *result = place(out, 3);
    device.activate();
    run(first, second, result);
    Event* event = device.make_event();
    device.record(device.queue(0), event);
    while (!device.done(event)) std::this_thread::yield();
    device.release(event);
    std::vector<float> made(size_t(storage_elements(out, {})));
    memory.read(made.data(), result, int64_t(made.size()) * 4);
    CudaPart judge{.in = {tensor(DType::f64, a, random_numbers(storage_elements(a, {}), 1)),
                          tensor(DType::f64, b, random_numbers(storage_elements(b, {}), 2))},
                   .out = {tensor(DType::f64, out)}};
    auto offer =
        rig().registry().offer(Rig::signature(op, of, judge), {.kind = "reference", .isa = ""});
    void* inputs[] = {judge.in[0]->data(), judge.in[1]->data()};
    void* outputs[] = {judge.out[0]->data()};
    offer->bind()({.inputs = inputs, .outputs = outputs});
    const Numbers right = judge.out[0]->numbers();
    for (size_t i = 0; i < made.size(); ++i) EXPECT_NEAR(made[i], right[i], 1e-5) << op << " " << i;
    for (float* p : {first, second, result}) memory.release(p);
  };
  Queue* queue = device.queue(0);
  check("conv2d", attrs, x, w, y,
        [&](float* a, float* b, float* out) { cuda::direct_forward(queue, s, a, b, out); });
  auto of_input = attrs, of_weight = attrs;
  set(of_input, "input_size", Attr::List{7, 6});
  check("conv2d_grad_input", of_input, y, w, x,
        [&](float* a, float* b, float* out) { cuda::direct_grad_input(queue, s, a, b, out); });
  set(of_weight, "kernel_size", Attr::List{3, 2});
  check("conv2d_grad_weight", of_weight, x, y, w,
        [&](float* a, float* b, float* out) { cuda::direct_grad_weight(queue, s, a, b, out); });
}

// ---- sums

// One value to several tiles a channel; planes that are whole packs and others.
TEST(CudaSums, HoldForAllSizes) {
  for (auto& g : std::vector<Dims>{{1, 1, 1, 1},
                                   {3, 5, 1, 1},
                                   {2, 3, 5, 7},
                                   {5, 2, 64, 36},
                                   {3, 2, 91, 101},
                                   {700, 33, 1, 1},
                                   {1100, 3, 2, 2}})
    EXPECT_LT(error_of({"conv_transpose2d_grad_bias", {}, {g}, {DType::f32}, {{g[1]}}}), 1e-6)
        << g[0] << " x " << g[1] << " x " << g[2] << " x " << g[3];
  for (auto& g : std::vector<Dims>{{1, 1}, {5, 40}, {256, 32}, {257, 3}, {3, 200, 10}, {40000, 2}})
    EXPECT_LT(error_of({"column_sum", {}, {g}, {DType::f32}, {{g.back()}}}), 1e-6);
}

TEST(CudaSums, OfAPartDoNotDependOnItsCompany) {
  std::vector<CudaPart> together;
  std::vector<Numbers> alone;
  for (int64_t samples : {1, 9, 4}) {
    CudaPart part{.in = {tensor(DType::f32, {samples, 3, 60, 60},
                                random_numbers(samples * 10800, int(samples)))},
                  .out = {tensor(DType::f32, {3})}};
    rig().run("conv_transpose2d_grad_bias", {part});
    alone.push_back(part.out[0]->numbers());
    together.push_back(part);
    together.back().out = {tensor(DType::f32, {3})};
  }
  EXPECT_TRUE(rig().run("conv_transpose2d_grad_bias", together).ganged);
  for (size_t i = 0; i < alone.size(); ++i) EXPECT_EQ(together[i].out[0]->numbers(), alone[i]);
}

// ---- products

TEST(CudaProducts, HoldForAllTranspositions) {
  EXPECT_LT(error_of({"matmul", {}, {{5, 7}, {7, 3}}, {DType::f32}, {{5, 3}}}), 1e-6);
  EXPECT_LT(
      error_of(
          {"matmul", {{"transpose_b", true}}, {{2, 4, 7}, {3, 7}, {3}}, {DType::f32}, {{2, 4, 3}}}),
      1e-6);
  EXPECT_LT(
      error_of({"matmul", {{"transpose_a", true}}, {{300, 4}, {300, 3}}, {DType::f32}, {{4, 3}}}),
      1e-6);
}

// ---- pooling

// All small windows: the shared arithmetic of both directions against what a window sees.
TEST(CudaPooling, AnAxisKnowsWhoseCellsItsWindowsSee) {
  for (int kernel = 1; kernel <= 4; ++kernel)
    for (int stride = 1; stride <= 4; ++stride)
      for (int dilation = 1; dilation <= 3; ++dilation)
        for (int padding = 0; padding <= kernel / 2; ++padding)
          for (int size = 1; size <= 11; ++size) {
            const int pooled = (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
            if (size + 2 * padding < dilation * (kernel - 1) + 1) continue;
            const PoolAxis axis{size, pooled, kernel, stride, padding, dilation};
            for (int cell = 0; cell < size; ++cell)
              for (int window = 0; window < pooled; ++window) {
                int seen = -1;
                for (int k = 0; k < kernel; ++k)
                  if (axis.cell(window, k) == cell) seen = k;
                const bool reached = axis.first(cell) <= window && window <= axis.last(cell);
                EXPECT_EQ(reached ? axis.place(window, cell) : -1, seen)
                    << "cell " << cell << ", window " << window << ", kernel " << kernel
                    << ", stride " << stride << ", dilation " << dilation;
              }
          }
}

Dict pool_attrs(int64_t kernel, int64_t stride, int64_t padding, int64_t dilation = 1) {
  return {{"kernel_size", Attr::List{kernel, kernel}},
          {"stride", Attr::List{stride, stride}},
          {"padding", Attr::List{padding, padding}},
          {"dilation", Attr::List{dilation, dilation}},
          {"ceil_mode", false},
          {"indices", true}};
}

// 16 x 16 cells and more in a window need an index of 32 bits; rows of 4 n cells go by packs.
TEST(CudaPooling, GoesThereAndBack) {
  struct Size {
    int64_t kernel, stride, padding, dilation, height, width, out_height, out_width;
  };
  for (auto& s : {Size{16, 3, 2, 1, 24, 23, 5, 4}, Size{2, 2, 0, 1, 16, 24, 8, 12},
                  Size{3, 1, 1, 1, 8, 8, 8, 8}, Size{2, 3, 1, 3, 12, 20, 4, 7}}) {
    const DType index = s.kernel * s.kernel <= 255 ? DType::u8 : DType::i32;
    const Dims x = {2, 3, s.height, s.width}, y = {2, 3, s.out_height, s.out_width};
    auto attrs = pool_attrs(s.kernel, s.stride, s.padding, s.dilation);
    EXPECT_EQ(error_of({"max_pool2d", attrs, {x}, {DType::f32, index}, {y, y}}), 0) << s.kernel;
    CudaPart forward{.in = {tensor(DType::f32, x, random_numbers(6 * s.height * s.width, 1))},
                     .out = {tensor(DType::f32, y), tensor(index, y)}};
    rig().run("max_pool2d", {forward}, attrs);
    set(attrs, "input_size", Attr::List{s.height, s.width});
    const Numbers g = random_numbers(6 * s.out_height * s.out_width, 2);
    CudaPart back{.in = {tensor(DType::f32, y, g), forward.out[1]}, .out = {tensor(DType::f32, x)}};
    rig().run("max_pool2d_grad", {back}, attrs);
    CudaPart judge{.in = {tensor(DType::f64, y, g), forward.out[1]},
                   .out = {tensor(DType::f64, x)}};
    auto offer = rig().registry().offer(Rig::signature("max_pool2d_grad", attrs, judge),
                                        {.kind = "reference", .isa = ""});
    void* inputs[] = {judge.in[0]->data(), judge.in[1]->data()};
    void* outputs[] = {judge.out[0]->data()};
    offer->bind()({.inputs = inputs, .outputs = outputs});
    const Numbers made = back.out[0]->numbers(), right = judge.out[0]->numbers();
    for (size_t i = 0; i < made.size(); ++i) EXPECT_NEAR(made[i], right[i], 1e-5);
  }
}

TEST(CudaPooling, ANanIsLargerThanAll) {
  Numbers x(16, 1.0);
  x[5] = NAN;
  x[15] = INFINITY;
  CudaPart part{.in = {tensor(DType::f32, {1, 1, 4, 4}, x)},
                .out = {tensor(DType::f32, {1, 1, 2, 2}), tensor(DType::u8, {1, 1, 2, 2})}};
  rig().run("max_pool2d", {part}, pool_attrs(2, 2, 0));
  const Numbers y = part.out[0]->numbers(), index = part.out[1]->numbers();
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(index, (Numbers{3, 0, 0, 3}));
  EXPECT_EQ(y[1], 1);
  EXPECT_TRUE(std::isinf(y[3]));
}

TEST(CudaPooling, AveragesLargeWindows) {
  for (bool count : {true, false}) {
    Dict attrs = pool_attrs(7, 4, 3);
    set(attrs, "count_include_pad", count);
    set(attrs, "ceil_mode", true);
    const Dims x = {2, 3, 20, 16}, y = {2, 3, 6, 5};
    EXPECT_LT(error_of({"avg_pool2d", attrs, {x}, {DType::f32}, {y}}), 1e-6);
    set(attrs, "input_size", Attr::List{20, 16});
    EXPECT_LT(error_of({"avg_pool2d_grad", attrs, {y}, {DType::f32}, {x}}), 1e-6);
  }
}

}  // namespace
}  // namespace braid::test
