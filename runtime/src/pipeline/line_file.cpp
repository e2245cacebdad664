#include "pipeline/line_file.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include <braid/core/error.h>
#include <fmt/format.h>

namespace braid {
namespace {

constexpr size_t longest_line = size_t{16} << 20, piece = size_t{64} << 10;
constexpr int look_ms = 100;  // so often a source that waits learns that it should not

}  // namespace

LineFile::LineFile(std::string path) : path_(std::move(path)), fd_(STDIN_FILENO) {
  if (path_ == "-") return;
  own_ = posix::open_file(path_, O_RDONLY);
  fd_ = own_.get();
  if (!own_.valid())
    throw Error(Fault::data, "E0301",
                fmt::format("cannot read '{}': {}", path_, posix::reason(errno)));
}

bool LineFile::fill(const std::stop_token& stop) {
  buffer_.erase(0, at_);
  at_ = 0;
  pollfd file{fd_, POLLIN, 0};
  while (::poll(&file, 1, look_ms) <= 0)
    if (stop.stop_requested()) return false;
  const size_t before = buffer_.size();
  buffer_.resize(before + piece);
  ssize_t count;
  do count = ::read(fd_, buffer_.data() + before, piece);
  while (count < 0 && errno == EINTR);
  if (count < 0)
    throw Error(Fault::data, "E0301",
                fmt::format("cannot read '{}': {}", path_, posix::reason(errno)));
  buffer_.resize(before + size_t(count));
  return count > 0;
}

bool LineFile::read_line(std::string& line, const std::stop_token& stop) {
  size_t looked = at_, end;
  while ((end = buffer_.find('\n', looked)) == std::string::npos) {
    looked = buffer_.size() - at_;  // fill() moves what is left to the front
    if (looked > longest_line) break;
    if (fill(stop)) continue;
    end = buffer_.size();
    if (stop.stop_requested() || end == 0) return false;
    break;
  }
  ++number_;
  if (std::min(end, buffer_.size()) - at_ > longest_line) refuse("it is longer than 16 MiB");
  line.assign(buffer_, at_, end - at_);
  at_ = std::min(end + 1, buffer_.size());
  if (line.ends_with('\r')) line.pop_back();
  return true;
}

bool LineFile::next(std::string& line, const std::stop_token& stop) {
  do {
    if (!read_line(line, stop)) return false;
  } while (line.empty());
  return true;
}

void LineFile::refuse(const std::string& why) const {
  throw Error(Fault::data, "E0348", fmt::format("'{}', line {}: {}", path_, number_, why));
}

}  // namespace braid
