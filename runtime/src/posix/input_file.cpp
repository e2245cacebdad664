#include "posix/input_file.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <braid/core/error.h>

namespace braid::posix {

namespace {

// Some systems refuse to read more than 2 GiB at once.
constexpr size_t largest_read = size_t{1} << 30;

}  // namespace

// O_NONBLOCK keeps a FIFO without a writer from holding us; it means nothing to regular files.
InputFile::InputFile(std::string path, Mark mark)
    : path_(std::move(path)), mark_(std::move(mark)), fd_(open_file(path_, O_RDONLY | O_NONBLOCK)) {
  struct stat info = {};
  if (!fd_.valid() || ::fstat(fd_.get(), &info) != 0) {
    throw Error(Fault::data, "E0301", fmt::format("cannot read '{}': {}", path_, reason(errno)),
                mark_);
  }
  if (!S_ISREG(info.st_mode)) {
    throw Error(Fault::data, "E0302",
                fmt::format("cannot read '{}': {}", path_,
                            S_ISDIR(info.st_mode) ? "it is a folder" : "it is no regular file"),
                mark_);
  }
  size_ = info.st_size;
}

void InputFile::read(int64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    ssize_t got = ::pread(fd_.get(), out.data(), std::min(out.size(), largest_read), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      throw Error(Fault::data, "E0303",
                  fmt::format("cannot read '{}' at byte {}: {}", path_, offset,
                              got < 0 ? reason(errno) : "the file ends there"),
                  mark_);
    }
    offset += got;
    out = out.subspan(static_cast<size_t>(got));
  }
}

}  // namespace braid::posix
