// Bound calls: inputs and outputs where the caller has them; and networks and weights from memory.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/models.h"

namespace braid::test {
namespace {

const std::string digits = BRAID_SOURCE_DIR "/examples/digits/digits.yaml";

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string message(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.diagnostics().front().code + ": " + e.diagnostics().front().message;
  }
  return "nothing thrown";
}

TEST(Bound, ReadsAndWritesWhereItIsTold) {
  for (const char* engine : {"tbb", "serial"}) {
    Session session = Session::open(digits, {.engine = engine});
    std::array<float, 128> image{};
    std::array<float, 20> logits{};
    Bound call = session.bind({{"image", ConstView::of<float>({2, 64}, image)}},
                              {{"logits", ArrayView::of<float>({2, 10}, logits)}});
    for (int round = 0; round < 3; ++round) {
      for (size_t i = 0; i < image.size(); ++i) image[i] = float(normal(uint64_t(round), i));
      session.run(call);
      auto expected = session.run(
          {{"image", Array::of<float>({2, 64}, std::span<const float>(image))}}, {"logits"});
      EXPECT_TRUE(std::ranges::equal(logits, expected.at("logits").as<float>())) << engine;
    }
    std::array<float, 128> other{};
    std::array<float, 20> elsewhere{};
    call.input("image", ConstView::of<float>({2, 64}, other));
    call.output("logits", ArrayView::of<float>({2, 10}, elsewhere));
    const auto before = logits;
    call.run();
    EXPECT_EQ(logits, before);
    EXPECT_NE(elsewhere, before);
  }
}

TEST(Bound, LearnsNewWeightsAndOutlivesTheCacheOfPrograms) {
  Model model = mlp(2);
  Session session(model), judge(model);
  Array x = Array::zeros(DType::f32, {3, 20}), y = Array::zeros(DType::f32, {3, 10});
  Bound call = session.bind({{"image", x}}, {{"logits", y}});
  for (int64_t n = 4; n < 30; ++n)
    session.run({{"image", Array::zeros(DType::f32, {n, 20})}}, {"logits"});
  RandomBatch batch(model, 32, 1);
  session.step(batch.pointers, 32, 0.1);
  judge.step(batch.pointers, 32, 0.1);
  call.run();
  EXPECT_EQ(y, judge.run({{"image", x}}, {"logits"}).at("logits"));
}

TEST(Bound, SaysWhatDoesNotFit) {
  Session session(mlp(2));
  Array x = Array::zeros(DType::f32, {3, 20}), y = Array::zeros(DType::f32, {3, 10});
  Array narrow = Array::zeros(DType::f32, {3, 5}), wide = Array::zeros(DType::f64, {3, 10});
  EXPECT_EQ(message([&] {
              session.bind({{"image", x}}, {{"logits", narrow}});
            }),
            "E0353: output 'logits' is bound to f32 [3, 5], and is f32 [N, 10] with N = 3");
  EXPECT_EQ(message([&] {
              session.bind({{"image", x}}, {{"logits", wide}});
            }),
            "E0353: output 'logits' is bound to f64 [3, 10], and is f32 [N, 10] with N = 3");
  EXPECT_EQ(message([&] {
              session.bind({{"image", x}}, {{"logit", y}});
            }),
            "E0219: the network has no output or layer 'logit' (did you mean 'logits'?)");
  EXPECT_EQ(message([&] {
              session.bind({{"pixels", x}}, {{"logits", y}});
            }),
            "E0351: the network has no input 'pixels'");
  Bound call = session.bind({{"image", x}}, {{"logits", y}});
  Array more = Array::zeros(DType::f32, {4, 20});
  EXPECT_EQ(message([&] { call.input("image", more); }),
            "E0352: input 'image' is bound to f32 [3, 20], not to f32 [4, 20]");
  EXPECT_EQ(message([&] { call.input("label", x); }), "E0351: the call has no input 'label'");
  std::array<float, 3> few{};
  EXPECT_EQ(message([&] {
              ConstView::of<float>({2, 2}, few);
            }),
            "E0304: f32 [2, 2] does not lie in 12 bytes");
}

TEST(Memory, ANetworkAndItsWeights) {
  Session file = Session::open(digits);
  Session text = Session::parse(text_of(digits), digits);
  file.step(
      {{"image", Array::zeros(DType::f32, {4, 64})}, {"label", Array::zeros(DType::i64, {4})}});
  const std::vector<std::byte> bytes = file.save_weights();
  text.load_weights(bytes);
  EXPECT_EQ(text.weights(), file.weights());
  EXPECT_EQ(hex(text.plan(Mode::eval, 4).program_hash), hex(file.plan(Mode::eval, 4).program_hash));
  const auto path = std::filesystem::temp_directory_path() / "braid_memory_test.safetensors";
  file.save_weights(path.string());
  const std::string written = text_of(path.string());
  EXPECT_EQ(written.size(), bytes.size());
  EXPECT_EQ(std::memcmp(written.data(), bytes.data(), bytes.size()), 0);
  std::filesystem::remove(path);
}

TEST(Memory, DamagedBytesAreRefused) {
  Session session = Session::open(digits);
  std::vector<std::byte> bytes = session.save_weights();
  for (size_t cut : {size_t(0), size_t(7), size_t(60), bytes.size() - 1}) {
    const auto text =
        message([&] { session.load_weights(std::span(bytes).first(cut), "secret.bin"); });
    EXPECT_TRUE(text.starts_with("E0311: 'secret.bin' is no valid safetensors file")) << text;
  }
  EXPECT_TRUE(
      message([&] { Session::parse("braid: 1\nlayers: [", "secret.yaml"); }).starts_with("E0"));
}

}  // namespace
}  // namespace braid::test
