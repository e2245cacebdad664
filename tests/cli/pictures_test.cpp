// `braid run` with PNG files as inputs and outputs, and the example that learns from folders.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/command.h"
#include "runtime/pngs.h"

namespace braid::test {
namespace {

std::string shapes() { return source("examples/shapes/shapes.yaml"); }

/// Gives back what it is given: x / 255 without data, else what `data` says.
std::string passing(const Folder& folder, const std::string& shape, const std::string& data = "") {
  auto net = folder / "net.yaml";
  write_text(net, "braid: 1\nname: pass\ninputs: {x: {shape: " + shape +
                      ", dtype: f32}}\nlayers:\n  - {name: y, type: Identity, from: x}\n" + data);
  return net;
}

Outcome run(const std::string& net, const std::string& in, const std::string& out) {
  return braid_command({"run", net, "--input", "x=" + in, "--output", "y=" + out, "--json"});
}

std::string colors(int height, int width, int channels = 3) {
  std::string pixels;
  for (int i = 0; i < height * width * channels; ++i) pixels += char(i * 89 + i / 7);
  return png(uint32_t(width), uint32_t(height), channels, pixels);
}

TEST(Pictures, GoInAndOutUnchanged) {
  Folder folder;
  auto net = passing(folder, "[N, 3, 5, 7]");
  write_text(folder / "a.png", colors(5, 7));
  auto outcome = run(net, folder / "a.png", folder / "b.png");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["outputs"][0]["shape"], Json({1, 3, 5, 7}));
  // The same values, although another program compressed the pixels.
  EXPECT_NE(read_text(folder / "a.png"), read_text(folder / "b.png"));
  ASSERT_EQ(run(net, folder / "a.png", folder / "a.npy").code, 0);
  ASSERT_EQ(run(net, folder / "b.png", folder / "b.npy").code, 0);
  EXPECT_EQ(read_text(folder / "a.npy"), read_text(folder / "b.npy"));
  ASSERT_EQ(run(net, folder / "b.png", folder / "c.png").code, 0);
  EXPECT_EQ(read_text(folder / "b.png"), read_text(folder / "c.png"));
}

TEST(Pictures, SeveralAreOneBatchAndBecomeNumberedFiles) {
  Folder folder;
  auto net = passing(folder, "[N, 4, 6]");
  std::filesystem::create_directory(folder / "in");
  for (int i = 0; i < 11; ++i)
    write_text(folder / ("in/" + std::string(1, char('a' + i)) + ".png"),
               png(6, 4, 1, std::string(24, char(20 * i))));
  auto outcome = run(net, folder / "in", folder / "out.png");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  auto output = outcome.json()["outputs"][0];
  EXPECT_EQ(output["shape"], Json({11, 4, 6}));
  EXPECT_EQ(output["paths"].size(), 11u);
  EXPECT_EQ(output["paths"][3], folder / "out-03.png");
  EXPECT_FALSE(exists(folder / "out.png"));
  auto list = folder / "in/d.png," + (folder / "in/a.png");
  ASSERT_EQ(run(net, list, folder / "two.png").code, 0);
  EXPECT_EQ(read_text(folder / "two-0.png"), read_text(folder / "out-03.png"));
  EXPECT_EQ(read_text(folder / "two-1.png"), read_text(folder / "out-00.png"));
}

TEST(Pictures, AreReadAsTheTestDataAreRead) {
  Folder folder;
  auto net =
      passing(folder, "[N, 3, 8, 8]",
              "data:\n  test:\n    type: Images\n    resize: 10\n    augment: {crop: [8, 8]}\n"
              "    x: {folder: all, scale: $(1 / 510), mean: -0.25}\n");
  std::filesystem::create_directory(folder / "all");
  write_text(folder / "all/a.png", colors(12, 30));
  auto outcome = run(net, folder / "all/a.png", folder / "one.npy");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  outcome = braid_command({"run", net, "--data", "test", "--output", "y", "-o", folder / "run"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(read_text(folder / "one.npy"), read_text(folder / "run/y.npy"));
  auto plain = passing(folder, "[N, 3, 8, 8]");
  outcome = run(plain, folder / "all/a.png", folder / "one.npy");
  EXPECT_EQ(outcome.code, 4);
  EXPECT_NE(outcome.err.find("it has 12x30 pixels, its input 8x8"), std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find("resize: [8, 8]"), std::string::npos) << outcome.err;
}

TEST(Pictures, RefuseWhatIsNone) {
  Folder folder;
  auto net = passing(folder, "[N, 3, 5, 7]", "data: {test: {type: Images, x: {folder: .}}}\n");
  write_text(folder / "a.png", colors(5, 7));
  write_text(folder / "a.jpg", "\xff\xd8\xff\xe0 and so on");
  auto refused = [&](const std::string& in, const std::string& out, int code,
                     const std::string& why) {
    auto outcome = run(net, in, out);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_NE(outcome.err.find(why), std::string::npos) << outcome.err;
  };
  refused(folder / "a.png", folder / "b.png", 7, "is no picture: sample 0 has the value");
  EXPECT_FALSE(exists(folder / "b.png"));
  refused(folder / "a.png", folder / "b.jpg", 7, "only PNG is written");
  refused(folder / "a.jpg", folder / "b.npy", 4, "this is a JPEG file, and only PNG is read");
  refused(folder / "absent.png", folder / "b.npy", 4, "E0301");
  write_text(folder / "a.png", colors(5, 7, 1));
  refused(folder / "a.png", folder / "b.npy", 4, "it has 1 channels, input 'x' has 3");
  std::filesystem::create_directory(folder / "empty");
  refused(folder / "empty", folder / "b.npy", 4, "has no images");
  write_text(folder / "a.png", colors(5, 7));
  auto flat = passing(folder, "[N, 9]");
  refused(folder / "a.png", folder / "b.npy", 2, "which no picture fills");
}

TEST(Pictures, OfShapesAreLearnedFromFolders) {
  Folder folder;
  auto outcome = braid_command({"train", shapes(), "--out", folder / "run", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_GT(outcome.lines().back()["metrics"]["accuracy"].get<double>(), 0.8);
  outcome = braid_command({"run", shapes(), "--weights", folder / "run/weights.safetensors",
                           "--input", "image=" + source("examples/shapes/test/triangle"),
                           "--output", "classes=" + (folder / "c.npy"), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["outputs"][0]["shape"], Json({8, 3}));
}

}  // namespace
}  // namespace braid::test
