// Folders: made, proved writable, and held by one process at a time.
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <braid/core/error.h>
#include <braid/runtime/files.h>

#include "posix/atomic_file.h"
#include "posix/descriptor.h"

namespace braid {

namespace fs = std::filesystem;
using posix::Descriptor;

namespace {

[[noreturn]] void refuse(const std::string& folder, const std::string& reason) {
  throw Error(Fault::output, "E0602",
              fmt::format("cannot write to folder '{}': {}", folder, reason))
      .help("choose another folder with --out");
}

// A new folder is durable once the one that it stands in is: a checkpoint is not safe in a folder
// that a power cut takes away.
void make_folders(const std::string& folder) {
  std::error_code failed;
  if (fs::is_directory(folder, failed)) return;
  if (fs::exists(folder, failed)) refuse(folder, "it is no folder");
  std::string above = posix::folder_of(fs::path(folder).lexically_normal().string());
  if (above != folder) make_folders(above);
  if (!fs::create_directory(folder, failed) && failed) refuse(folder, failed.message());
  posix::sync_folder(above);
}

bool same_file(int fd, const std::string& path) {
  struct stat held = {}, named = {};
  return ::fstat(fd, &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

std::string holder(int fd) {
  char text[32] = {};
  ssize_t got = ::pread(fd, text, sizeof text - 1, 0);
  long pid = 0;
  if (got > 0) std::from_chars(text, text + got, pid);
  return pid > 0 ? fmt::format("process {}", pid) : "another process";
}

void write_pid(int fd) {
  std::string text = std::to_string(::getpid()) + "\n";
  // Only a help for who reads the message of the next one: the lock holds without it.
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, text.data(), text.size(), 0) < 0) return;
}

/// The locked descriptor, or nothing when the file was replaced meanwhile.
std::optional<Descriptor> lock_file(const std::string& folder, const std::string& path) {
  Descriptor fd = posix::open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0666);
  if (!fd.valid()) refuse(folder, posix::reason(errno));
  // A file system without locks (ENOLCK, EOPNOTSUPP) should not keep anybody from training.
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    throw Error(Fault::output, "E0603",
                fmt::format("folder '{}' is in use by {}", folder, holder(fd.get())))
        .help("wait for it to end, or choose another folder with --out");
  }
  // Its holder may have removed the file between our open and our lock.
  if (!same_file(fd.get(), path)) return std::nullopt;
  write_pid(fd.get());
  return fd;
}

}  // namespace

void make_writable(const std::string& folder) {
  make_folders(folder);
  std::string trial = posix::temporary_of(folder + "/trial");
  ::unlink(trial.c_str());
  Descriptor fd = posix::open_file(trial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
  if (!fd.valid() && errno == EEXIST) return;  // another process proves it right now
  if (!fd.valid()) refuse(folder, posix::reason(errno));
  int error = ::write(fd.get(), "x", 1) == 1 ? 0 : errno;
  ::unlink(trial.c_str());
  if (error != 0) refuse(folder, posix::reason(error));
}

FolderLock::FolderLock(const std::string& folder) : path_(folder + "/.braid-lock") {
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (auto fd = lock_file(folder, path_)) {
      fd_ = fd->release();
      return;
    }
  }
  refuse(folder, "its lock file keeps changing");
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

FolderLock::~FolderLock() { release(); }

void FolderLock::release() noexcept {
  if (fd_ < 0) return;
  ::unlink(path_.c_str());
  ::close(std::exchange(fd_, -1));
}

}  // namespace braid
