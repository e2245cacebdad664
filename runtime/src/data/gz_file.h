// A file that may be compressed by gzip, read from front to back.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <braid/core/mark.h>

#include "posix/input_file.h"

namespace braid {

class GzFile {
 public:
  /// Throws Error(Fault::data) when it cannot be opened.
  GzFile(const std::string& path, Mark mark);

  /// Reads up to `out.size()` bytes; fewer only at the end. Throws E0340 for damaged gzip data.
  size_t read(std::span<std::byte> out);
  /// More bytes than the whole content can have: what a header announces is held against it before
  /// memory is taken. No deflate stream grows by more than 1032.
  int64_t largest_content() const;

  const std::string& path() const { return file_.path(); }
  const Mark& mark() const { return mark_; }

 private:
  struct Close {
    void operator()(void* stream) const;
  };
  posix::InputFile file_;
  Mark mark_;
  bool compressed_ = false;
  std::unique_ptr<void, Close> stream_;
};

}  // namespace braid
