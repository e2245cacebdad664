// Layers that move cells about, resize and look up, by numbers that PyTorch gives for the same
// inputs and that can be seen by eye.
#include "conformance/conformance.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

Numbers counted(int64_t n) {
  Numbers numbers;
  for (int64_t i = 0; i < n; ++i) numbers.push_back(double(i));
  return numbers;
}

/// The first output of a layer for a batch of `batch`; `inputs` are whole.
Numbers made(const std::string& layer, std::vector<Type> types, const std::vector<Numbers>& inputs,
             Dict params, int64_t batch = 1) {
  LayerGraph g(builtin(), *builtin().layer(layer),
               {.inputs = std::move(types), .params = std::move(params)}, Mode::eval);
  Interpreter run(*g, builtin(), {.batch = batch});
  run.start();
  for (size_t i = 0; i < inputs.size(); ++i) run.set(g.inputs[i], inputs[i]);
  run.run();
  return run.get(g.outputs.at(0));
}

Type f32(Shape shape) { return {DType::f32, std::move(shape)}; }

TEST(Pad, BeginsWithTheLastDimension) {
  EXPECT_EQ(made("Pad", {f32({N, 2, 2})}, {{1, 2, 3, 4}},
                 {{"pad", Attr::List{1, 0, 0, 1}}, {"value", 9.0}}),
            (Numbers{9, 1, 2, 9, 3, 4, 9, 9, 9}));
  EXPECT_EQ(made("Pad", {f32({N, 2, 2})}, {{1, 2, 3, 4}}, {{"pad", Attr::List{-1, 1}}}),
            (Numbers{2, 0, 4, 0}));
}

TEST(Slice, TakesFromStartToBeforeEnd) {
  EXPECT_EQ(made("Slice", {f32({N, 3, 2})}, {counted(6)}, {{"start", 1}, {"end", 3}}),
            (Numbers{2, 3, 4, 5}));
  EXPECT_EQ(made("Slice", {f32({N, 3, 2})}, {counted(6)}, {{"dim", -1}, {"start", -1}}),
            (Numbers{1, 3, 5}));
}

TEST(CoordinateGrid, GoesFromTheFirstCellToTheLastInTheOrderXY) {
  EXPECT_EQ(made("CoordinateGrid", {f32({N, 1, 2, 3})}, {Numbers(6)}, {}),
            (Numbers{-1, -1, 0, -1, 1, -1, -1, 1, 0, 1, 1, 1}));
}

TEST(GridSample, TheGridOfTheCornersGivesTheImageBack) {
  const Numbers grid = {-1, -1, 0, -1, 1, -1, -1, 1, 0, 1, 1, 1};
  EXPECT_EQ(made("GridSample", {f32({N, 1, 2, 3}), f32({N, 2, 3, 2})}, {counted(6), grid},
                 {{"align_corners", true}}),
            counted(6));
}

// x = 0.25 lies at (0.25 + 1) * 3 / 2 - 0.5 = 1.375 of three cells.
TEST(GridSample, MixesNeighboursAndSeesZerosOrTheBorderOutside) {
  const std::vector<Type> types = {f32({N, 1, 1, 3}), f32({N, 1, 3, 2})};
  const std::vector<Numbers> inputs = {{10, 20, 30}, {0.25, 0, 1, 0, -7, 0}};
  EXPECT_EQ(made("GridSample", types, inputs, {}), (Numbers{23.75, 15, 0}));
  EXPECT_EQ(made("GridSample", types, inputs, {{"padding_mode", "border"}}),
            (Numbers{23.75, 30, 10}));
  EXPECT_EQ(made("GridSample", types, inputs, {{"mode", "nearest"}}), (Numbers{20, 30, 0}));
}

TEST(Interpolate, FollowsTheSizeOfAnother) {
  EXPECT_EQ(made("Interpolate", {f32({N, 1, 1, 2}), f32({N, 3, 2, 4})}, {{5, 7}, Numbers(24)},
                 {{"mode", "bilinear"}}),
            (Numbers{5, 5.5, 6.5, 7, 5, 5.5, 6.5, 7}));
}

TEST(Upsample, RepeatsPlanesOfVolumes) {
  EXPECT_EQ(made("Upsample", {f32({N, 1, 2, 1, 2})}, {counted(4)},
                 {{"scale_factor", Attr::List{1, 1, 2}}}),
            (Numbers{0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(made("Upsample", {f32({N, 1, 2, 1, 2})}, {counted(4)},
                 {{"scale_factor", Attr::List{2, 1, 1}}}),
            (Numbers{0, 1, 0, 1, 2, 3, 2, 3}));
}

TEST(AvgPool3d, IsTheMeanOfABox) {
  EXPECT_EQ(made("AvgPool3d", {f32({N, 1, 2, 2, 2})}, {counted(8)}, {{"kernel_size", 2}}),
            (Numbers{3.5}));
}

TEST(Einsum, MultipliesMatricesOfEachSample) {
  EXPECT_EQ(made("Einsum", {f32({N, 1, 2}), f32({N, 2, 1})}, {{1, 2, 3, 4}, {5, 6, 7, 8}},
                 {{"equation", "nij, njk -> nik"}}, 2),
            (Numbers{17, 53}));
}

TEST(Einsum, WithoutAnArrowKeepsWhatStandsOnce) {
  EXPECT_EQ(made("Einsum", {f32({N, 2, 2})}, {counted(4)}, {{"equation", "acb"}}),
            (Numbers{0, 2, 1, 3}));
}

TEST(Add, RepeatsWhatIsTheSameForAllSamples) {
  EXPECT_EQ(made("Add", {f32({N, 2}), f32({1, 2})}, {{1, 2, 3, 4}, {10, 20}}, {}, 2),
            (Numbers{11, 22, 13, 24}));
}

TEST(Embedding, ATokenOutsideTheTableFailsTheStep) {
  const Type tokens{DType::i64, {N}};
  for (double token : {3.0, -1.0}) try {
      made("Embedding", {tokens}, {{0, token}}, {{"num_embeddings", 3}, {"embedding_dim", 2}}, 2);
      ADD_FAILURE() << "token " << token << " was taken";
    } catch (const Error& e) {
      EXPECT_EQ(e.fault(), Fault::data);
      EXPECT_EQ(e.diagnostics()[0].message,
                "token " + std::to_string(int64_t(token)) +
                    " outside the table's rows 0..2 (sample 1 of the batch)");
    }
}

// A query that meets a key of its own, and one key that is padding.
TEST(MultiheadAttention, KeysThatArePaddingAreNotSeen) {
  const Type rows = f32({N, 2, 4}), mask{DType::boolean, {N, 2}};
  const Dict params = {{"num_heads", 2}, {"batch_first", true}};
  const Numbers x = {1, 2, 3, 4, -1, 0, 1, 5}, changed = {1, 2, 3, 4, 7, 7, -7, 7};
  auto first = [&](const Numbers& keys, const Numbers& hidden) {
    auto y = made("MultiheadAttention", {rows, rows, rows, mask}, {x, keys, keys, hidden}, params);
    return Numbers(y.begin(), y.begin() + 4);
  };
  EXPECT_EQ(first(x, {0, 1}), first(changed, {0, 1}));
  EXPECT_NE(first(x, {0, 0}), first(changed, {0, 0}));
}

}  // namespace
}  // namespace braid::test
