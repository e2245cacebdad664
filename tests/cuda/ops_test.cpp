// What the samples of layers do not reach: sizes that take several tiles, odd ones, slices of
// unlike sizes in one launch.
#include "cuda/trial.h"

namespace braid::test {
namespace {

Type f32(Shape shape) { return {DType::f32, std::move(shape)}; }
Type f64(Shape shape) { return {DType::f64, std::move(shape)}; }
Type i64(Shape shape) { return {DType::i64, std::move(shape)}; }
Attr ints(std::initializer_list<int64_t> list) { return Attr::List(list.begin(), list.end()); }

TEST(CudaOps, AddsAndMaps) {
  Trial{.op = "add", .in = {f32({N, 333}), f32({N, 333})}, .out = {f32({N, 333})}}.check({1, 40});
  Trial{.op = "add", .in = {f64({N, 3}), f64({N, 3})}, .out = {f64({N, 3})}}.check({1, 7, 500});
  for (const char* op : {"sigmoid", "tanh"}) {
    const Shape shape{N, 77};
    Trial{.op = op, .in = {f32(shape)}, .out = {f32(shape)}, .from = -90, .to = 90}.check({1, 40});
    Trial{.op = std::string(op) + "_grad", .in = {f32(shape), f32(shape)}, .out = {f32(shape)}}
        .check({1, 40});
  }
  // More packs than a launch has threads.
  Trial{.op = "add", .in = {f32({N, 3}), f32({N, 3})}, .out = {f32({N, 3})}}.check({1500001});
  Trial{.op = "pair", .in = {f64({1}), f64({1})}, .out = {f64({2})}}.check({1, 1, 1});
  const Attr square{Attr::List{Attr::List{"input", 0}, Attr::List{"input", 1},
                               Attr::List{"subtract", 0, 1}, Attr::List{"multiply", 2, 2}}};
  Trial{.op = "math",
        .attrs = {{"program", square}},
        .in = {f32({N, 3, 5, 41}), f32({3, 1, 41})},
        .out = {f32({N, 3, 5, 41})}}
      .check({1, 40, 3});
  Trial{.op = "sum_to",
        .attrs = {{"shape", Attr::List{3, 1, 41}}},
        .in = {f32({N, 3, 5, 41})},
        .out = {f32({3, 1, 41})}}
      .check({1, 40, 3});
  Trial{.op = "full",
        .attrs = {{"shape", Attr::List{"N", 5}}, {"value", 0.9}},
        .in = {f32({N, 2})},
        .out = {f32({N, 5})}}
      .check({1, 700, 3});
  Trial{.op = "reshape",
        .attrs = {{"shape", Attr::List{"N", 15}}},
        .in = {i64({N, 3, 5})},
        .out = {i64({N, 15})}}
      .check({1, 3, 700});
}

TEST(CudaOps, MergesInTheOrderOfParts) {
  for (DType dtype : {DType::f32, DType::f64}) {
    const int64_t n = 4099;
    std::vector<TensorPtr> leaves;
    for (int k = 0; k < 4; ++k) {
      Numbers x;
      for (int64_t i = 0; i < n; ++i) x.push_back(double(i % 13 + 100 * k));
      leaves.push_back(tensor(dtype, {n}, x));
    }
    auto left = tensor(dtype, {n}), all = tensor(dtype, {n});
    // ((0 + 1) + (2 + 3)), where the second sum is made in place.
    auto done = rig().run("merge_sum", {{.in = {leaves[0], leaves[1]}, .out = {left}},
                                        {.in = {leaves[2], leaves[3]}, .out = {leaves[2]}},
                                        {.in = {left, leaves[2]}, .out = {all}}});
    EXPECT_TRUE(done.ganged);
    const Numbers sums = all->numbers();
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(sums[size_t(i)], double(4 * (i % 13) + 600));
  }
}

// More parts than travel in the arguments of one launch.
TEST(CudaOps, MergesAcrossLaunches) {
  std::vector<CudaPart> chain;
  auto sum = tensor(DType::f64, {3}, {0, 1, 2});
  for (int k = 1; k <= 150; ++k) {
    CudaPart part{.in = {sum, tensor(DType::f64, {3}, Numbers(3, double(k)))},
                  .out = {tensor(DType::f64, {3})}};
    sum = part.out[0];
    chain.push_back(part);
  }
  EXPECT_TRUE(rig().run("merge_sum", chain).ganged);
  EXPECT_EQ(sum->numbers(), (Numbers{11325, 11326, 11327}));
}

TEST(CudaOps, SoftmaxOfShortAndLongRows) {
  struct Size {
    Shape shape;
    int64_t dim;
  };
  for (auto& [shape, dim] :
       {Size{{N, 1}, 1}, Size{{N, 4}, 1}, Size{{N, 12}, 1}, Size{{N, 24}, 1}, Size{{N, 32}, 1},
        Size{{N, 33}, 1}, Size{{N, 1000}, 1}, Size{{N, 40, 9}, 1}, Size{{N, 5, 130}, 2}}) {
    const Dict attrs{{"dim", dim}};
    Trial{.op = "softmax", .attrs = attrs, .in = {f32(shape)}, .out = {f32(shape)}, .to = 80}.check(
        {1, 33, 5});
    Trial{.op = "softmax_grad", .attrs = attrs, .in = {f32(shape), f32(shape)}, .out = {f32(shape)}}
        .check({1, 33, 5});
  }
}

TEST(CudaOps, MeansOfAnyDimensions) {
  auto check = [](const Shape& shape, std::initializer_list<int64_t> dims, const Shape& result) {
    const Dict attrs{{"dims", ints(dims)}, {"keepdim", false}};
    Trial{.op = "mean", .attrs = attrs, .in = {f32(shape)}, .out = {f32(result)}}.check({1, 9, 2});
    Trial{.op = "mean_grad", .attrs = attrs, .in = {f32(result)}, .out = {f32(shape)}}.check(
        {1, 9, 2});
  };
  check({N, 3, 2001}, {2}, {N, 3});       // long rows
  check({N, 70, 7, 7}, {2, 3}, {N, 70});  // several blocks of short ones
  check({N, 3, 1000}, {2}, {N, 3});       // the fewest rows of a block
  check({N, 50, 3}, {1}, {N, 3});
  check({N, 4, 6, 5, 3}, {1, 3}, {N, 6, 3});
  check({N, 1, 5}, {1}, {N, 5});
  check({N, 5}, {1}, {N});
}

TEST(CudaOps, CopiesAlongADimension) {
  auto check = [](DType dtype, int64_t dim, std::vector<Shape> parts, const Shape& whole) {
    Trial concat{.op = "concat", .attrs = {{"dim", dim}}, .in = {}, .out = {{dtype, whole}}};
    int64_t begin = 0;
    for (auto& part : parts) {
      concat.in.push_back({dtype, part});
      const int64_t size = part[size_t(dim)].value;
      Trial{.op = "slice",
            .attrs = {{"dim", dim}, {"begin", begin}, {"size", size}},
            .in = {{dtype, whole}},
            .out = {{dtype, part}}}
          .check({1, 4, 50});
      begin += size;
    }
    concat.check({1, 4, 50});
  };
  check(DType::f32, 1, {{N, 3, 5}, {N, 1, 5}}, {N, 4, 5});
  check(DType::f32, 1, {{N, 16, 3, 4}, {N, 20, 3, 4}, {N, 4, 3, 4}}, {N, 40, 3, 4});
  check(DType::f64, 2, {{N, 3, 3}, {N, 3, 2}}, {N, 3, 5});
  check(DType::u8, 1, {{N, 3}, {N, 6}}, {N, 9});
}

TEST(CudaOps, SumsColumns) {
  for (int64_t columns : {1, 10, 33, 1000})
    Trial{.op = "column_sum", .in = {f32({N, columns})}, .out = {f32({columns})}}.check(
        {1, 64, 65, 700});
  Trial{.op = "column_sum", .in = {f32({N, 3})}, .out = {f32({3})}}.check({20011, 7});
  Trial{.op = "group_norm_sums", .in = {f64({N, 2, 7})}, .out = {f64({2, 7})}}.check({1, 300});
}

TEST(CudaOps, ClipsGradients) {
  for (int64_t n : {1, 5, 1000, 300001}) {
    Trial{.op = "square_sum", .in = {f32({n})}, .out = {f64({1})}}.check({1, 1});
    Trial{.op = "clip",
          .attrs = {{"norm", 0.7}},
          .in = {f32({n}), f64({1})},
          .out = {f32({n})},
          .from = 0.5}
        .check({1, 1, 1});
  }
}

TEST(CudaOps, AveragesWeights) {
  for (int64_t step : {0, 1}) {
    auto average = tensor(DType::f32, {7}, Numbers(7, 8)),
         weight = tensor(DType::f32, {7}, Numbers(7, 4));
    rig().run("ema", {{.in = {average, weight}, .scalars = {.step = step}}}, {{"decay", 0.75}});
    EXPECT_EQ(average->numbers(), Numbers(7, step == 0 ? 4 : 7));
    EXPECT_EQ(weight->numbers(), Numbers(7, 4));
  }
}

TEST(CudaOps, PoolsToAnySize) {
  for (auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {2, 2}, {3, 4}, {37, 41}, {50, 40}, {1, 5}}) {
    const Shape image{N, 5, 37, 41}, pooled{N, 5, h, w};
    Trial{.op = "adaptive_avg_pool2d",
          .attrs = {{"output_size", ints({h, w})}},
          .in = {f32(image)},
          .out = {f32(pooled)}}
        .check({1, 3});
    Trial{.op = "adaptive_avg_pool2d_grad",
          .attrs = {{"input_size", ints({37, 41})}},
          .in = {f32(pooled)},
          .out = {f32(image)}}
        .check({1, 3});
  }
}

TEST(CudaOps, ResizesImages) {
  auto check = [](const char* mode, bool align, int64_t h, int64_t w, const Attr& factor = {}) {
    Dict attrs{{"mode", mode},
               {"align_corners", align},
               {"image_size", ints({13, 17})},
               {"output_size", ints({h, w})}};
    if (!factor.is_null()) set(attrs, "factor", factor);
    const Shape image{N, 3, 13, 17}, result{N, 3, h, w};
    Trial{.op = "upsample", .attrs = attrs, .in = {f32(image)}, .out = {f32(result)}}.check({1, 3});
    Trial{.op = "upsample_grad", .attrs = attrs, .in = {f32(result)}, .out = {f32(image)}}.check(
        {1, 3});
  };
  for (const char* mode : {"nearest", "bilinear"}) {
    check(mode, false, 26, 34, Attr::List{2.0, 2.0});
    check(mode, false, 104, 136, Attr::List{8.0, 8.0});
    check(mode, false, 5, 3);
    check(mode, false, 1, 1);
    check(mode, false, 29, 39, Attr::List{2.3, 2.3});
  }
  check("bilinear", true, 26, 34);
  check("bilinear", true, 1, 50);
}

TEST(CudaOps, NormalizesGroups) {
  for (auto& [shape, groups] : std::vector<std::pair<Shape, int64_t>>{{{N, 6}, 2},
                                                                      {{N, 600}, 2},
                                                                      {{N, 8, 17, 19}, 2},
                                                                      {{N, 6, 5, 7}, 2},
                                                                      {{N, 12, 40, 40}, 3},
                                                                      {{N, 3, 9, 9}, 3}}) {
    const Dict attrs{{"num_groups", groups}, {"eps", 1e-5}};
    const Shape channels{shape[1]}, statistics{N, 2, groups};
    Trial{.op = "group_norm",
          .attrs = attrs,
          .in = {f32(shape), f32(channels), f32(channels)},
          .out = {f32(shape), f64(statistics)},
          .from = 1000,  // a mean that would cancel digits
          .to = 1001,
          .tolerance = 1e-5}
        .check({1, 4});
    Trial{.op = "group_norm",
          .attrs = attrs,
          .in = {f32(shape)},
          .out = {f32(shape), f64(statistics)}}
        .check({1, 4});
    for (bool affine : {true, false}) {
      Trial gradient{.op = "group_norm_grad",
                     .attrs = attrs,
                     .in = {f32(shape), f32(shape), f64(statistics)},
                     .out = {f32(shape), f64({N, 2, shape[1]})}};
      if (affine) gradient.in.push_back(f32(channels));
      gradient.check({1, 4});
    }
  }
}

}  // namespace
}  // namespace braid::test
