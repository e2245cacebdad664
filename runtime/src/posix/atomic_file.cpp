#include "posix/atomic_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <braid/core/error.h>
#include <braid/runtime/files.h>

namespace braid::posix {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view ending = ".braid-tmp";
constexpr size_t largest_write = size_t{1} << 30;

// Who links the file elsewhere keeps the link; rename() alone would replace it. A link may point to
// a file that is still to be made.
std::string behind_links(const std::string& path) {
  fs::path target = path;
  std::error_code failed;
  for (int step = 0; step < 40 && fs::is_symlink(target, failed); ++step) {
    target = target.parent_path() / fs::read_symlink(target, failed);
  }
  return target.string();
}

bool exists_but_not_regular(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

}  // namespace

std::string folder_of(const std::string& path) {
  fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

std::string temporary_of(const std::string& path) {
  fs::path p(path);
  std::string name(1, '.');
  name.append(p.filename().string()).append(ending);
  return (p.parent_path() / name).string();
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), target_(behind_links(path_)) {
  if (exists_but_not_regular(target_)) {
    fd_ = open_file(target_, O_WRONLY);
    if (!fd_.valid()) fail(errno);
    return;
  }
  std::string temporary = temporary_of(target_);
  ::unlink(temporary.c_str());
  fd_ = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
  if (!fd_.valid()) fail(errno);
  temporary_ = std::move(temporary);
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail(int error) const {
  throw Error(Fault::output, "E0601", fmt::format("cannot write '{}': {}", path_, reason(error)));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t done = ::write(fd_.get(), bytes.data(), std::min(bytes.size(), largest_write));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail(errno);
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
}

// A failed fsync is final: the kernel may have dropped the pages, so that a second one succeeds
// over lost data. The temporary is given up and the old file stays.
void AtomicFile::commit() {
  if (temporary_.empty()) return;
  if (::fsync(fd_.get()) != 0) fail(errno);
  if (::close(fd_.release()) != 0 && errno != EINTR) fail(errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail(errno);
  temporary_.clear();
  sync_folder(folder_of(target_));
}

void sync_folder(const std::string& folder) {
  Descriptor fd = open_file(folder, O_RDONLY | O_DIRECTORY);
  int failed = !fd.valid() ? errno : ::fsync(fd.get()) != 0 ? errno : 0;
  if (failed != 0 && failed != EINVAL && failed != EACCES) {
    throw Error(Fault::output, "E0601",
                fmt::format("cannot write to folder '{}': {}", folder, reason(failed)));
  }
}

void remove_temporaries(const std::string& folder) {
  std::error_code failed;
  for (fs::directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) {
    std::string name = it->path().filename().string();
    if (name.size() > ending.size() && name[0] == '.' && name.ends_with(ending)) {
      ::unlink(it->path().c_str());
    }
  }
}

}  // namespace braid::posix

namespace braid {

void write_file(const std::string& path, std::string_view content) {
  posix::AtomicFile file(path);
  file.write(std::as_bytes(std::span(content)));
  file.commit();
}

}  // namespace braid
