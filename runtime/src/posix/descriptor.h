// An open file descriptor, closed at the end of its scope, and the system's reason for a failure.
#pragma once
#include <string>
#include <utility>

namespace braid::posix {

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// "No space left on device" for an errno value.
std::string reason(int error);

/// open(2) with O_CLOEXEC, again after a signal; -1 and errno as usual.
Descriptor open_file(const std::string& path, int flags, unsigned mode = 0);

}  // namespace braid::posix
