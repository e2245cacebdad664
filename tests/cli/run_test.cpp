// `braid run` and `braid eval`: a trained network used.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "cli/command.h"

namespace braid::test {
namespace {

// A .npy file, format 1, of f32.
void write_npy(const std::string& path, int rows, int columns, const std::vector<float>& values) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" +
                       std::to_string(rows) + ", " + std::to_string(columns) + "), }";
  header.resize(118 - 1, ' ');
  header += '\n';
  std::string text("\x93NUMPY\x01\x00\x76\x00", 10);
  text += header;
  text.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  write_text(path, text);
}

std::vector<float> read_npy(const std::string& path) {
  auto bytes = read_text(path);
  size_t begin = 10 + size_t(static_cast<unsigned char>(bytes.at(8))) +
                 256 * size_t(static_cast<unsigned char>(bytes.at(9)));
  std::vector<float> values((bytes.size() - begin) / sizeof(float));
  std::memcpy(values.data(), bytes.data() + begin, values.size() * sizeof(float));
  return values;
}

class Trained : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = new Folder;
    auto outcome =
        braid_command({"train", digits(), "--steps", "60", "--json", "--out", *folder / "run"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    done = outcome.lines().back();
  }
  static void TearDownTestSuite() { delete folder; }
  static std::string weights() { return *folder / "run/weights.safetensors"; }

  static inline Folder* folder = nullptr;
  static inline Json done;
};

TEST_F(Trained, EvalGivesWhatTrainingReported) {
  auto outcome = braid_command({"eval", digits(), "--weights", weights(), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  auto json = outcome.json();
  EXPECT_EQ(json.at("samples"), 200);
  EXPECT_EQ(json.at("metrics").at("accuracy"), done.at("metrics").at("accuracy"));
  EXPECT_EQ(json.at("loss"), done.at("metrics").at("loss"));
}

TEST_F(Trained, EvalDoesNotDependOnReplicasOrDevices) {
  auto one = braid_command({"eval", digits(), "--weights", weights(), "--json"});
  auto many = braid_command({"eval", digits(), "--weights", weights(), "--json", "--replicas", "5",
                             "--devices", "cpu:0,cpu:1,cpu:2"});
  EXPECT_EQ(many.code, 0) << many.err;
  EXPECT_EQ(one.json().at("metrics"), many.json().at("metrics"));
}

TEST_F(Trained, ASampleDoesNotDependOnItsBatch) {
  std::vector<float> images(7 * 64);
  for (size_t i = 0; i < images.size(); ++i) images[i] = float(i * 37 % 101) / 101;
  std::vector<float> together;
  for (int n : {7, 1}) {
    auto in = *folder / "x.npy", out = *folder / "y.npy";
    write_npy(in, n, 64, {images.end() - n * 64, images.end()});
    auto outcome = braid_command({"run", digits(), "--weights", weights(), "--input", "image=" + in,
                                  "--output", "logits=" + out, "--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.json().at("outputs").at(0).at("shape"), Json({n, 10}));
    auto logits = read_npy(out);
    ASSERT_EQ(logits.size(), size_t(n) * 10);
    std::vector<float> last(logits.end() - 10, logits.end());
    if (together.empty()) together = last;
    EXPECT_EQ(last, together);
  }
}

TEST_F(Trained, AnyLayerIsAnOutput) {
  write_npy(*folder / "x.npy", 2, 64, std::vector<float>(128, 0.5f));
  auto outcome =
      braid_command({"run", digits(), "--weights", weights(), "--input",
                     "image=" + (*folder / "x.npy"), "--output", "relu1=" + (*folder / "h.npy")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (float h : read_npy(*folder / "h.npy")) EXPECT_GE(h, 0);
  auto wrong = braid_command({"run", digits(), "--weights", weights(), "--input",
                              "image=" + (*folder / "x.npy"), "--output", "relu9=y.npy"});
  EXPECT_EQ(wrong.code, 3);
  EXPECT_NE(wrong.err.find("did you mean 'relu1'?"), std::string::npos) << wrong.err;
}

TEST_F(Trained, NumbersThatAreNoneAreNamedWhenAskedFor) {
  std::vector<float> images(5 * 64, 0.5f);
  images[3 * 64 + 1] = NAN;
  write_npy(*folder / "nan.npy", 5, 64, images);
  std::vector<std::string> run = {"run",        digits(),
                                  "--weights",  weights(),
                                  "--replicas", "2",
                                  "--devices",  "cpu:0,cpu:1",
                                  "--input",    "image=" + (*folder / "nan.npy"),
                                  "--output",   "logits=" + (*folder / "n.npy")};
  EXPECT_EQ(braid_command(run).code, 0) << "otherwise they travel on";
  run.push_back("--check-finite");
  auto outcome = braid_command(run);
  EXPECT_EQ(outcome.code, 5);
  EXPECT_NE(outcome.err.find("error[E0414]: input 'image', replica 1, cpu:1, sample 3"),
            std::string::npos)
      << outcome.err;
}

// Statistics of the batch: a sample's outputs depend on what else is in it.
TEST_F(Trained, TrainModeSeesTheBatchAndKeepsNothing) {
  auto before = read_text(weights());
  auto run = [&](const std::string& mode, const std::string& out) {
    auto outcome =
        braid_command({"run", digits(), "--weights", weights(), "--data", "test", "--mode", mode,
                       "--set", "batch.global=100", "-o", *folder / out});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return read_npy(*folder / (out + "/logits.npy"));
  };
  auto eval = run("eval", "mode_eval"), train = run("train", "mode_train");
  EXPECT_EQ(eval.size(), train.size());
  EXPECT_NE(eval, train);
  EXPECT_EQ(run("train", "mode_again"), train);
  EXPECT_EQ(read_text(weights()), before);
  EXPECT_EQ(braid_command({"run", digits(), "--mode", "both"}).code, 2);
}

TEST_F(Trained, RunsADataSource) {
  auto outcome = braid_command(
      {"run", digits(), "--weights", weights(), "--data", "test", "-o", *folder / "answers"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(read_npy(*folder / "answers/logits.npy").size(), 200u * 10);
}

TEST_F(Trained, FoldedBatchNormsEvaluateAlike) {
  std::vector<std::string> command = {"eval", digits(), "--weights", weights()};
  auto folded = command;
  folded.push_back("--fold-bn");
  auto text = braid_command(folded);
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_EQ(text.err, "1 of 1 batch norms folded\n");
  command.push_back("--json"), folded.push_back("--json");
  auto plain = braid_command(command).json(), json = braid_command(folded).json();
  EXPECT_EQ(json.at("fold").at("folded"), Json({{{"name", "bn1"}, {"into", "fc1"}}}));
  EXPECT_EQ(json.at("fold").at("left"), Json::array());
  EXPECT_FALSE(plain.contains("fold"));
  EXPECT_EQ(json.at("metrics").at("accuracy"), plain.at("metrics").at("accuracy"));
  double loss = plain.at("loss");
  EXPECT_NEAR(json.at("loss").get<double>(), loss, 1e-5 * loss);
}

TEST_F(Trained, FoldedRunsAgreeAndNamedLayersStay) {
  std::vector<float> images(3 * 64);
  for (size_t i = 0; i < images.size(); ++i) images[i] = float(i * 37 % 101) / 101;
  write_npy(*folder / "x.npy", 3, 64, images);
  auto run = [&](const std::string& name, bool fold) {
    std::vector<std::string> command = {"run",       digits(),
                                        "--weights", weights(),
                                        "--input",   "image=" + (*folder / "x.npy"),
                                        "--output",  name + "=" + (*folder / "y.npy")};
    if (fold) command.push_back("--fold-bn");
    auto outcome = braid_command(command);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return std::pair(read_npy(*folder / "y.npy"), outcome.err);
  };
  auto want = run("logits", false).first, got = run("logits", true).first;
  ASSERT_EQ(want.size(), got.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-4);
  auto [before, none] = run("fc1", false);
  auto [after, said] = run("fc1", true);
  EXPECT_EQ(after, before);
  EXPECT_EQ(said,
            "0 of 1 batch norms folded\n"
            "   bn1 stays: 'fc1' (Linear) before it is named by an output or a hook\n");
}

TEST_F(Trained, FoldingIsForInference) {
  auto outcome = braid_command({"train", digits(), "--fold-bn", "--out", *folder / "folded"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("--fold-bn"), std::string::npos) << outcome.err;
  EXPECT_FALSE(exists(*folder / "folded"));
  outcome = braid_command({"run", digits(), "--weights", weights(), "--data", "test", "-o",
                           *folder / "folded", "--mode", "train", "--fold-bn"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("--fold-bn and --mode train exclude each other"), std::string::npos)
      << outcome.err;
  EXPECT_FALSE(exists(*folder / "folded"));
}

TEST_F(Trained, BadInputsAreNamed) {
  write_npy(*folder / "narrow.npy", 2, 63, std::vector<float>(126, 0.5f));
  struct Case {
    std::string input, says;
    int code;
  };
  for (auto& c : std::vector<Case>{{"image=" + (*folder / "narrow.npy"), "63", 4},
                                   {"image=" + (*folder / "absent.npy"), "absent.npy", 4},
                                   {"picture=" + (*folder / "narrow.npy"), "picture", 4}}) {
    auto outcome = braid_command({"run", digits(), "--weights", weights(), "--input", c.input,
                                  "--output", "logits=" + (*folder / "y.npy")});
    EXPECT_EQ(outcome.code, c.code) << outcome.err;
    EXPECT_NE(outcome.err.find(c.says), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace braid::test
