#include <csignal>
#include <cstring>

#include <sys/wait.h>
#include <unistd.h>

#include <braid/core/random.h>
#include <braid/runtime/checkpoint.h>
#include <braid/runtime/safetensors.h>
#include <gtest/gtest.h>

#include "runtime/temp_folder.h"

namespace braid {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::slurp;
using test::TempFolder;

/// A state whose every element tells its step.
Checkpoint at(int64_t step, int64_t elements = 100) {
  Checkpoint checkpoint{.step = step, .metadata = {{"program", "abc"}, {"seed", "7"}}};
  Array weight = Array::zeros(DType::f32, {elements});
  for (float& x : weight.as<float>()) x = float(step);
  checkpoint.tensors["fc.weight"] = weight;
  checkpoint.tensors["optimizer.fc.weight.momentum"] = std::move(weight);
  return checkpoint;
}

std::vector<std::string> names(const TempFolder& folder) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(folder / "checkpoints")) {
    found.push_back(entry.path().filename().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

void flip_a_bit(const std::string& path, size_t byte) {
  std::string text = slurp(path);
  text.at(byte) ^= 4;
  std::ofstream(path, std::ios::binary) << text;
}

TEST(Checkpoint, ComesBackAsItWas) {
  TempFolder folder;
  EXPECT_FALSE(load_checkpoint(folder.path()));
  std::string path = save_checkpoint(folder.path(), at(200), 3);
  EXPECT_EQ(path, folder / "checkpoints/step-00000200.safetensors");
  auto found = load_checkpoint(folder.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->checkpoint, at(200));
  EXPECT_EQ(found->path, path);
  EXPECT_EQ(found->warning, "");
}

TEST(Checkpoint, EqualStatesGiveEqualBytes) {
  TempFolder a, b;
  EXPECT_EQ(slurp(save_checkpoint(a.path(), at(5), 3)), slurp(save_checkpoint(b.path(), at(5), 2)));
}

// A file of another format is whole and says what to do; an older one does not take its place.
TEST(Checkpoint, OtherFormatsAreRefused) {
  TempFolder folder;
  save_checkpoint(folder.path(), at(100), 3);
  auto path = save_checkpoint(folder.path(), at(200), 3);
  for (const char* format : {"2", "", "one"}) {
    TensorFile file = read_safetensors(path);
    file.metadata["braid.format"] = format;
    if (!*format) file.metadata.erase("braid.format");
    write_safetensors(path, file);
    auto said = error_of(folder, [&] { load_checkpoint(folder.path()); });
    EXPECT_EQ(said,
              std::string("E0323: '~/checkpoints/step-00000200.safetensors' is a checkpoint ") +
                  (*format ? "of a newer" : "of an older") + " braid: of format " +
                  (*format ? format : "0") + ", and this one reads 1");
  }
  try {
    read_checkpoint(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::data);
    EXPECT_NE(error.diagnostics()[0].helps.find("--weights " + path), std::string::npos);
  }
}

TEST(Checkpoint, KeepsTheNewest) {
  TempFolder folder;
  for (int64_t step = 1; step <= 5; ++step) save_checkpoint(folder.path(), at(step), 3);
  EXPECT_EQ(names(folder),
            (std::vector<std::string>{"step-00000003.safetensors", "step-00000004.safetensors",
                                      "step-00000005.safetensors"}));
  save_checkpoint(folder.path(), at(6), 0);  // never fewer than two
  EXPECT_EQ(names(folder),
            (std::vector<std::string>{"step-00000005.safetensors", "step-00000006.safetensors"}));
}

TEST(Checkpoint, OrdersByStepNotByName) {
  TempFolder folder;
  save_checkpoint(folder.path(), at(99'999'999), 3);
  save_checkpoint(folder.path(), at(100'000'000), 3);
  EXPECT_EQ(load_checkpoint(folder.path())->checkpoint.step, 100'000'000);
  EXPECT_EQ(list_checkpoints(folder.path()).size(), 2u);
}

TEST(Checkpoint, SetsAsideWhatARepeatedRunOvertakes) {
  TempFolder folder;
  for (int64_t step : {100, 200, 300}) save_checkpoint(folder.path(), at(step), 3);
  save_checkpoint(folder.path(), at(150), 3);  // resumed from 100
  EXPECT_EQ(load_checkpoint(folder.path())->checkpoint.step, 150);
  EXPECT_EQ(names(folder),
            (std::vector<std::string>{"step-00000100.safetensors", "step-00000150.safetensors",
                                      "step-00000200.safetensors.superseded",
                                      "step-00000300.safetensors.superseded"}));
}

TEST(Checkpoint, RemovesStaleTemporaries) {
  TempFolder folder;
  fs::create_directories(folder / "checkpoints");
  folder.write("checkpoints/.step-00000001.safetensors.braid-tmp", "half");
  folder.write("checkpoints/notes.txt", "the user's");
  save_checkpoint(folder.path(), at(2), 3);
  EXPECT_EQ(names(folder), (std::vector<std::string>{"notes.txt", "step-00000002.safetensors"}));
}

TEST(Checkpoint, FallsBackAndSaysSo) {
  TempFolder folder;
  save_checkpoint(folder.path(), at(100), 3);
  save_checkpoint(folder.path(), at(200), 3);
  std::string newest = save_checkpoint(folder.path(), at(300), 3);
  flip_a_bit(newest, slurp(newest).size() - 1);
  fs::resize_file(folder / "checkpoints/step-00000200.safetensors", 500);
  auto found = load_checkpoint(folder.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->checkpoint, at(100));
  size_t end = found->warning.find('\n');
  EXPECT_EQ(found->warning.substr(0, end),
            "'" + newest + "' is damaged: its checksum does not fit its contents");
  EXPECT_NE(found->warning.find("step-00000200.safetensors' is no valid", end), std::string::npos);
}

TEST(Checkpoint, AnyFlippedBitIsNoticed) {
  TempFolder folder;
  std::string path = save_checkpoint(folder.path(), at(3, 2), 3);
  std::string whole = slurp(path);
  for (size_t bit = 0; bit < whole.size() * 8; bit += 7) {
    std::string text = whole;
    text[bit / 8] = char(text[bit / 8] ^ (1 << bit % 8));
    std::ofstream(path, std::ios::binary) << text;
    try {
      // What JSON does not care for (a space that became a tab) may change nothing.
      EXPECT_EQ(read_checkpoint(path), at(3, 2)) << "bit " << bit;
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::data);
    }
  }
}

TEST(Checkpoint, SaysWhenNothingIsWhole) {
  TempFolder folder;
  fs::create_directories(folder / "checkpoints");
  folder.write("checkpoints/step-00000001.safetensors", "x");
  EXPECT_EQ(error_of(folder, [&] { load_checkpoint(folder.path()); }),
            "E0321: no checkpoint in '~' is whole");
}

TEST(Checkpoint, RefusesWeightsAndRenamedFiles) {
  TempFolder folder;
  write_safetensors(folder / "w", {});
  EXPECT_EQ(error_of(folder, [&] { read_checkpoint(folder / "w"); }),
            "E0320: '~/w' is a file of weights, not a checkpoint");
  std::string path = save_checkpoint(folder.path(), at(7), 3);
  fs::rename(path, folder / "checkpoints/step-00000009.safetensors");
  EXPECT_EQ(error_of(folder, [&] { load_checkpoint(folder.path()); }),
            "E0321: no checkpoint in '~' is whole");
}

TEST(Checkpoint, AFailedSaveLeavesTheOldOnes) {
  TempFolder folder;
  save_checkpoint(folder.path(), at(1), 2);
  // A folder in the place of the new file: the rename fails after everything was written.
  fs::create_directory(folder / "checkpoints/step-00000002.safetensors");
  EXPECT_EQ(error_of(folder, [&] { save_checkpoint(folder.path(), at(2), 2); }),
            "E0601: cannot write '~/checkpoints/step-00000002.safetensors': Is a directory");
  auto found = load_checkpoint(folder.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->checkpoint, at(1));
}

/// A process that saves step after step until it is killed.
pid_t start_saving(const std::string& folder, int64_t first) {
  pid_t child = ::fork();
  if (child != 0) return child;
  for (int64_t step = first;; ++step) save_checkpoint(folder, at(step, 200'000), 2);
}

/// However slow the disk is: a trial begins with a step that was saved.
bool wait_for_a_file_after(const std::string& folder, const std::string& last) {
  for (int waited = 0; waited < 30'000; ++waited) {
    std::vector<std::string> paths = list_checkpoints(folder);
    if (!paths.empty() && paths.back() > last) return true;
    ::usleep(1000);
  }
  return false;
}

TEST(Checkpoint, SurvivesKillsWhileSaving) {
  TempFolder folder;
  int64_t last = 0;
  std::string last_path;
  for (uint64_t trial = 0; trial < 20; ++trial) {
    pid_t child = start_saving(folder.path(), last + 1);
    bool saved = wait_for_a_file_after(folder.path(), last_path);
    ::usleep(useconds_t(uniform_below(7, trial, 20'000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ASSERT_TRUE(saved);
    auto found = load_checkpoint(folder.path());
    ASSERT_TRUE(found);
    EXPECT_EQ(found->warning, "") << "a half file under a final name";
    EXPECT_GT(found->checkpoint.step, last);
    last = found->checkpoint.step;
    last_path = found->path;
    EXPECT_EQ(found->checkpoint, at(last, 200'000));
  }
  save_checkpoint(folder.path(), at(last + 1), 2);
  EXPECT_EQ(names(folder).size(), 2u);
}

}  // namespace
}  // namespace braid
