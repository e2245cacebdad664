// A regular file that is read at given places: never mapped, because a mapped file that shrinks
// kills the process, and its size is known before anything is read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <braid/core/mark.h>

#include "posix/descriptor.h"

namespace braid::posix {

class InputFile {
 public:
  /// Throws Error(Fault::data): E0301 when it cannot be opened, E0302 when it is no regular file.
  /// `mark` is where the path was typed, if anywhere.
  explicit InputFile(std::string path, Mark mark = {});

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }
  int descriptor() const { return fd_.get(); }

  /// Fills `out` from `offset` on; a file that ends earlier throws E0303.
  void read(int64_t offset, std::span<std::byte> out) const;

 private:
  std::string path_;
  Mark mark_;
  Descriptor fd_;
  int64_t size_ = 0;
};

}  // namespace braid::posix
