#include "data/gz_file.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <braid/core/error.h>
#include <braid/core/type.h>

namespace braid {

namespace {

constexpr size_t largest_read = size_t{1} << 30;  // gzread counts in int

gzFile handle(void* stream) { return static_cast<gzFile>(stream); }

}  // namespace

void GzFile::Close::operator()(void* stream) const { gzclose(handle(stream)); }

GzFile::GzFile(const std::string& path, Mark mark) : file_(path, mark), mark_(std::move(mark)) {
  int fd = ::dup(file_.descriptor());  // the stream closes its own
  gzFile stream = fd < 0 ? nullptr : gzdopen(fd, "rb");
  if (!stream) {
    if (fd >= 0) ::close(fd);
    throw Error(Fault::data, "E0301",
                fmt::format("cannot read '{}': {}", path, posix::reason(fd < 0 ? errno : ENOMEM)),
                mark_);
  }
  stream_.reset(stream);
  gzbuffer(stream, 1 << 17);
  compressed_ = !gzdirect(stream);
}

size_t GzFile::read(std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    size_t wanted = std::min(out.size() - done, largest_read);
    int got = gzread(handle(stream_.get()), out.data() + done, static_cast<unsigned>(wanted));
    int status = Z_OK;
    const char* why = gzerror(handle(stream_.get()), &status);
    if (got < 0 || (status != Z_OK && status != Z_STREAM_END)) {
      throw Error(Fault::data, "E0340",
                  fmt::format("'{}': its gzip data are damaged or truncated ({})", path(), why),
                  mark_);
    }
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

int64_t GzFile::largest_content() const {
  return compressed_ ? checked_product(file_.size(), 1032).value_or(INT64_MAX) : file_.size();
}

}  // namespace braid
