#include "posix/descriptor.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace braid::posix {

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

std::string reason(int error) { return std::generic_category().message(error); }

Descriptor open_file(const std::string& path, int flags, unsigned mode) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, static_cast<mode_t>(mode));
  } while (fd < 0 && errno == EINTR);
  return Descriptor(fd);
}

}  // namespace braid::posix
