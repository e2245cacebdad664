// The k-th system call of a save fails, for every k: whatever fails, a whole checkpoint remains.
//
// The calls below stand in front of the C library's for what is linked into this program, which is
// Braid; other libraries keep their own.
#include <cerrno>
#include <cstdarg>

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <braid/runtime/checkpoint.h>
#include <braid/runtime/files.h>
#include <gtest/gtest.h>

#include "runtime/temp_folder.h"

namespace {

struct Faults {
  bool active = false;
  int countdown = 0;  ///< the call that fails; 0 = none
  int error = 0;
  bool stutter = false;  ///< writes are interrupted and short
  int stutters = 0;
  std::string trace = {};  ///< the calls in order
};
Faults faults;

/// Whether this call is the one that fails.
bool fails(const char* name) {
  if (!faults.active) return false;
  faults.trace += std::string(faults.trace.empty() ? "" : " ") + name;
  if (faults.countdown == 0 || --faults.countdown > 0) return false;
  errno = faults.error;
  return true;
}

template <class F>
F real(const char* name) {
  return reinterpret_cast<F>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (fails("open")) return -1;
  return real<int (*)(const char*, int, mode_t)>("open")(path, flags, mode);
}

ssize_t write(int fd, const void* data, size_t size) {
  if (fails("write")) return -1;
  if (faults.active && faults.stutter) {
    if (++faults.stutters % 2 == 0) return errno = EINTR, -1;
    size = std::min<size_t>(size, 7);
  }
  return real<ssize_t (*)(int, const void*, size_t)>("write")(fd, data, size);
}

int fsync(int fd) { return fails("fsync") ? -1 : real<int (*)(int)>("fsync")(fd); }

int close(int fd) {
  bool failed = fails("close");
  int result = real<int (*)(int)>("close")(fd);
  return failed ? (errno = faults.error, -1) : result;
}

int rename(const char* from, const char* to) noexcept {
  return fails("rename") ? -1 : real<int (*)(const char*, const char*)>("rename")(from, to);
}

}  // extern "C"

namespace braid {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;

Checkpoint at(int64_t step) {
  Checkpoint checkpoint{.step = step};
  checkpoint.tensors["w"] = Array::of<int64_t>({2}, std::vector<int64_t>{step, step});
  checkpoint.tensors["v"] = Array::of<float>({1}, std::vector<float>{float(step)});
  return checkpoint;
}

/// Turns faults on while it lives.
struct Injected {
  Injected(int countdown, int error) {
    faults = {.active = true, .countdown = countdown, .error = error};
  }
  ~Injected() { faults.active = false; }
};

bool has_temporaries(const std::string& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".braid-tmp") return true;
  }
  return false;
}

/// Saves step 2 over step 1 with the k-th call failing; false once there is no such call.
bool save_with_fault(int k, int error) {
  TempFolder folder;
  save_checkpoint(folder.path(), at(1), 2);
  std::string thrown;
  bool reached = false;
  {
    Injected injected(k, error);
    thrown = test::error_of(folder, [&] { save_checkpoint(folder.path(), at(2), 2); });
    reached = faults.countdown == 0;
  }
  if (!thrown.empty()) {
    EXPECT_TRUE(thrown.starts_with("E06")) << thrown;
    EXPECT_NE(thrown.find(error == EIO ? "Input/output error" : "No space left on device"),
              std::string::npos)
        << thrown;
  }
  auto found = load_checkpoint(folder.path());
  EXPECT_TRUE(found && found->warning.empty()) << "call " << k;
  if (found) {
    // Once the new file has its name it is whole, even when making the name durable failed.
    EXPECT_TRUE(found->checkpoint == at(2) || (found->checkpoint == at(1) && !thrown.empty()));
  }
  EXPECT_FALSE(has_temporaries(folder / "checkpoints")) << "call " << k;
  return reached;
}

TEST(IoFaults, AnyFailedCallLeavesAWholeCheckpoint) {
  for (int error : {EIO, ENOSPC}) {
    int k = 1;
    while (save_with_fault(k, error)) ++k;
    EXPECT_GT(k, 10);
  }
}

TEST(IoFaults, ShortAndInterruptedWritesGoOn) {
  TempFolder folder;
  std::string text(1000, 'x');
  {
    Injected injected(0, 0);
    faults.stutter = true;
    write_file(folder / "a", text);
  }
  EXPECT_EQ(test::slurp(folder / "a"), text);
  EXPECT_GT(faults.stutters, 200);
}

// What a power cut may lose is what was not synced: the data before the name, then the name.
TEST(IoFaults, DataAreDurableBeforeTheNameIs) {
  TempFolder folder;
  Injected injected(0, 0);
  write_file(folder / "a", "x");
  EXPECT_EQ(faults.trace, "open write fsync close rename open fsync close");
}

TEST(IoFaults, NewFoldersAreDurableToo) {
  TempFolder folder;
  Injected injected(0, 0);
  make_writable(folder / "a/b");
  EXPECT_EQ(faults.trace, "open fsync close open fsync close open write close");
  EXPECT_TRUE(fs::is_directory(folder / "a/b"));
}

}  // namespace
}  // namespace braid
