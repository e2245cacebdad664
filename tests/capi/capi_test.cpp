// The C interface: what it computes, and that nothing wrong that is passed to it gets further.
#include <braid/braid.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

const std::string digits = BRAID_SOURCE_DIR "/examples/digits/digits.yaml";
const std::array<int64_t, 2> image_dims = {2, 64}, logits_dims = {2, 10};

class Capi : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(braid_open(digits.c_str(), nullptr, &session, &error), 0); }
  void TearDown() override {
    braid_close(session);
    braid_error_free(error);
  }
  std::string said(int i = 0) {
    std::string text =
        std::string(braid_error_code(error, i)) + ": " + braid_error_message(error, i);
    braid_error_free(error);
    error = nullptr;
    return text;
  }
  int run() { return braid_run(session, &in, 1, &out, 1, &error); }

  braid_session* session = nullptr;
  braid_error* error = nullptr;
  std::vector<float> image = std::vector<float>(128, 0.25F), logits = std::vector<float>(20);
  braid_tensor in{"image", BRAID_F32, 2, image_dims.data(), image.data(), 128 * 4};
  braid_tensor out{"logits", BRAID_F32, 2, logits_dims.data(), logits.data(), 20 * 4};
};

TEST_F(Capi, RunsAndBinds) {
  ASSERT_EQ(run(), 0);
  const auto once = logits;
  EXPECT_NE(once, std::vector<float>(20));
  braid_bound* bound = nullptr;
  ASSERT_EQ(braid_bind(session, &in, 1, &out, 1, &bound, &error), 0);
  logits.assign(20, 0);
  ASSERT_EQ(braid_bound_run(bound, &error), 0);
  EXPECT_EQ(logits, once);
  braid_bound_free(bound);
}

TEST_F(Capi, NamesAndTypes) {
  EXPECT_STREQ(braid_input_name(session, 0), "image");
  EXPECT_STREQ(braid_input_name(session, 1), "label");
  EXPECT_EQ(braid_input_name(session, 2), nullptr);
  EXPECT_STREQ(braid_output_name(session, 0), "logits");
  EXPECT_EQ(braid_output_name(session, -1), nullptr);
  int32_t dtype = -1, rank = 0;
  std::array<int64_t, BRAID_MAX_RANK> dims{};
  ASSERT_EQ(braid_output_type(session, "logits", 5, &dtype, &rank, dims.data(), &error), 0);
  EXPECT_EQ(dtype, BRAID_F32);
  EXPECT_EQ(rank, 2);
  EXPECT_EQ(dims[0], 5);
  EXPECT_EQ(dims[1], 10);
  EXPECT_EQ(braid_version_number(), BRAID_VERSION);
}

TEST_F(Capi, WeightsGoThroughMemory) {
  void* bytes = nullptr;
  size_t size = 0;
  ASSERT_EQ(run(), 0);
  const auto before = logits;
  ASSERT_EQ(braid_format_weights(session, &bytes, &size, &error), 0);
  std::vector<int64_t> labels = {1, 2};
  const std::array<int64_t, 1> label_dims = {2};
  std::array<braid_tensor, 2> batch = {
      in, braid_tensor{"label", BRAID_I64, 1, label_dims.data(), labels.data(), 16}};
  double loss = 0;
  ASSERT_EQ(braid_step(session, batch.data(), 2, &loss, &error), 0) << braid_error_text(error);
  EXPECT_GT(loss, 0);
  ASSERT_EQ(run(), 0);
  EXPECT_NE(logits, before);
  ASSERT_EQ(braid_parse_weights(session, bytes, size, &error), 0);
  ASSERT_EQ(run(), 0);
  EXPECT_EQ(logits, before);
  EXPECT_EQ(braid_parse_weights(session, bytes, size / 2, &error), BRAID_DATA);
  EXPECT_TRUE(said().starts_with("E0311: "));
  braid_free(bytes);
}

TEST_F(Capi, TrainsUntilItIsToldToStop) {
  int steps = 0;
  braid_train_options options = {.size = sizeof options,
                                 .on_progress =
                                     [](const braid_progress* p, void* user) {
                                       if (p->kind == 1) ++*static_cast<int*>(user);
                                       return int(p->kind == 1 && p->step == 7);
                                     },
                                 .user = &steps};
  braid_train_report report = {.size = sizeof report};
  ASSERT_EQ(braid_train(session, &options, &report, &error), 0) << braid_error_text(error);
  EXPECT_EQ(report.steps, 7);
  EXPECT_EQ(report.stopped, 1);
  EXPECT_EQ(steps, 7);
}

TEST_F(Capi, OpensTextsWithOptions) {
  std::ifstream file(digits);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  braid_session* other = nullptr;
  braid_options options = {sizeof options, "cpu:0,cpu:1", 1, 2, "hidden=16;lr=0.01"};
  ASSERT_EQ(braid_parse(text.data(), text.size(), "digits.yaml", &options, &other, &error), 0);
  braid_close(other);
  options.set = "hidden";
  EXPECT_EQ(braid_parse(text.data(), text.size(), "d", &options, &other, &error), BRAID_USAGE);
  EXPECT_EQ(said(), "E0304: 'hidden' of `set` is not key=value");
  EXPECT_EQ(braid_parse("braid: 1\nlayers: 3\n", 19, "d.yaml", nullptr, &other, &error),
            BRAID_MODEL);
  EXPECT_STREQ(braid_error_file(error, 0), "d.yaml");
  ASSERT_EQ(braid_error_count(error), 2) << braid_error_text(error);  // what is missing, and layers
  EXPECT_EQ(braid_error_line(error, 1), 2);
  EXPECT_GT(braid_error_column(error, 1), 0);
  EXPECT_STREQ(braid_error_code(error, 99), "");
}

TEST_F(Capi, RefusesWhatDoesNotFit) {
  in.data = nullptr;
  EXPECT_EQ(run(), BRAID_USAGE);
  EXPECT_EQ(said(), "E0304: 'data' is NULL");
  in.data = image.data();
  in.bytes = 8;
  EXPECT_EQ(run(), BRAID_USAGE);
  EXPECT_EQ(said(), "E0304: f32 [2, 64] does not lie in 8 bytes");
  in.bytes = 128 * 4;
  in.dtype = 17;
  EXPECT_EQ(run(), BRAID_USAGE);
  EXPECT_EQ(said(), "E0304: tensor 'image' has no such dtype or rank");
  in.dtype = BRAID_F32;
  in.name = "picture";
  EXPECT_EQ(run(), BRAID_DATA);
  EXPECT_TRUE(said().starts_with("E0351"));
  const std::array<int64_t, 2> overflowing = {INT64_MAX, INT64_MAX};
  in.dims = overflowing.data();
  EXPECT_EQ(run(), BRAID_USAGE);
  EXPECT_TRUE(said().starts_with("E0304"));
  EXPECT_EQ(braid_run(nullptr, &in, 1, &out, 1, &error), BRAID_USAGE);
  EXPECT_EQ(said(), "E0304: 'session' is NULL");
  EXPECT_EQ(braid_open(nullptr, nullptr, &session, nullptr), BRAID_USAGE);  // nobody asks why
  EXPECT_EQ(braid_load_weights(session, "no such file", &error), BRAID_DATA);
  EXPECT_TRUE(said().starts_with("E0301"));
}

}  // namespace
