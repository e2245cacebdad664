// Writing: whole or absent, whatever the disk, the rights and other processes do.
#include <csignal>

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <braid/runtime/array.h>
#include <braid/runtime/files.h>
#include <braid/runtime/safetensors.h>
#include <gtest/gtest.h>

#include "runtime/temp_folder.h"

namespace braid {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::fault_of;
using test::slurp;
using test::TempFolder;

/// Runs `f` in a child process and returns what it returned; -1 when a signal ended it.
template <class F>
int in_child(F&& f) {
  pid_t child = ::fork();
  if (child == 0) ::_exit(f());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

size_t entries(const std::string& folder) {
  return size_t(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(WriteFile, ReplacesTheOldFile) {
  TempFolder folder;
  write_file(folder / "a", "first, and longer");
  write_file(folder / "a", "second");
  EXPECT_EQ(slurp(folder / "a"), "second");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(WriteFile, GivesTheRightsThatTheUserAsksFor) {
  TempFolder folder;
  mode_t before = ::umask(027);
  write_file(folder / "a", "x");
  ::umask(before);
  struct stat info = {};
  ASSERT_EQ(::stat((folder / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST(WriteFile, ReplacesAStaleTemporary) {
  TempFolder folder;
  folder.write(".a.braid-tmp", "left by a killed process");
  write_file(folder / "a", "x");
  EXPECT_EQ(slurp(folder / "a"), "x");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(WriteFile, DoesNotFollowALinkedTemporary) {
  TempFolder folder;
  folder.write("precious", "kept");
  fs::create_symlink(folder / "precious", folder / ".a.braid-tmp");
  write_file(folder / "a", "x");
  EXPECT_EQ(slurp(folder / "precious"), "kept");
}

TEST(WriteFile, KeepsALinkThatTheUserMade) {
  TempFolder folder;
  fs::create_directory(folder / "far");
  fs::create_symlink("far/target", folder / "a");
  write_file(folder / "a", "x");
  EXPECT_TRUE(fs::is_symlink(folder / "a"));
  EXPECT_EQ(slurp(folder / "far/target"), "x");
}

TEST(WriteFile, NamesThePathAndTheReason) {
  TempFolder folder;
  EXPECT_EQ(error_of(folder, [&] { write_file(folder / "no/a", "x"); }),
            "E0601: cannot write '~/no/a': No such file or directory");
  EXPECT_EQ(error_of(folder, [] { write_file("/dev/full", "x"); }),
            "E0601: cannot write '/dev/full': No space left on device");
  EXPECT_EQ(fault_of([] { write_file("/dev/full", "x"); }), Fault::output);
  fs::create_directory(folder / "d");
  EXPECT_EQ(error_of(folder, [&] { write_file(folder / "d", "x"); }),
            "E0601: cannot write '~/d': Is a directory");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(WriteFile, AFileSizeLimitLeavesTheOldFile) {
  TempFolder folder;
  write_file(folder / "a", "old");
  int result = in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::string error = error_of(folder, [&] { write_file(folder / "a", std::string(5000, 'x')); });
    return error == "E0601: cannot write '~/a': File too large" ? 0 : 1;
  });
  EXPECT_EQ(result, 0);
  EXPECT_EQ(slurp(folder / "a"), "old");
  EXPECT_EQ(entries(folder.path()), 1u);
}

/// In a child that sees a disk of 1 MiB of its own: 0 = good, 77 = that needs more rights.
int write_to_a_full_disk(const TempFolder& folder) {
  const char* here = folder.path().c_str();
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) ||
      ::mount("none", here, "tmpfs", 0, "size=1m") != 0) {
    return 77;
  }
  TensorFile file;
  file.tensors["w"] = Array::zeros(DType::f32, {100'000});
  write_safetensors(folder / "w", file);
  std::string old = slurp(folder / "w");
  file.tensors["w"] = Array::zeros(DType::f32, {200'000});
  std::string error = error_of(folder, [&] { write_safetensors(folder / "w", file); });
  if (error != "E0601: cannot write '~/w': No space left on device") return 1;
  return slurp(folder / "w") == old && entries(folder.path()) == 1 ? 0 : 2;
}

TEST(WriteFile, AFullDiskLeavesTheOldFile) {
  TempFolder folder;
  int result = in_child([&] { return write_to_a_full_disk(folder); });
  if (result == 77) GTEST_SKIP() << "a disk of our own needs root; /dev/full is tried above";
  EXPECT_EQ(result, 0);
}

TEST(MakeWritable, MakesFoldersAndLeavesNothingInThem) {
  TempFolder folder;
  make_writable(folder / "a/b/c");
  EXPECT_EQ(entries(folder / "a/b/c"), 0u);
  make_writable(folder / "a/b/c");
  make_writable(folder / "d//e/");
  EXPECT_TRUE(fs::is_directory(folder / "d/e"));
}

TEST(MakeWritable, RefusesBeforeTrainingStarts) {
  TempFolder folder;
  folder.write("file", "x");
  EXPECT_EQ(error_of(folder, [&] { make_writable(folder / "file/sub"); }),
            "E0602: cannot write to folder '~/file': it is no folder");
  std::string proc = error_of(folder, [] { make_writable("/proc/self"); });
  EXPECT_TRUE(proc.starts_with("E0602: cannot write to folder '/proc/self': ")) << proc;
  EXPECT_EQ(fault_of([&] { make_writable(folder / "file/sub"); }), Fault::output);
}

TEST(FolderLock, KeepsASecondHolderOut) {
  TempFolder folder;
  std::string expected = "E0603: folder '~' is in use by process " + std::to_string(::getpid());
  {
    FolderLock lock(folder.path());
    EXPECT_EQ(error_of(folder, [&] { FolderLock second(folder.path()); }), expected);
    int other = in_child([&] {
      return error_of(folder, [&] { FolderLock second(folder.path()); }) == expected ? 0 : 1;
    });
    EXPECT_EQ(other, 0);
  }
  FolderLock again(folder.path());
  FolderLock moved(std::move(again));
  EXPECT_EQ(error_of(folder, [&] { FolderLock second(folder.path()); }), expected);
}

TEST(FolderLock, AKilledHolderLocksNobodyOut) {
  TempFolder folder;
  in_child([&] {
    FolderLock lock(folder.path());
    return ::kill(::getpid(), SIGKILL);
  });
  EXPECT_TRUE(fs::exists(folder / ".braid-lock"));
  FolderLock lock(folder.path());
}

}  // namespace
}  // namespace braid
