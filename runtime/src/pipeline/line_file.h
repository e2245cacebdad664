// A file of lines that a source reads; "-" is stdin, where more may come at any time.
#pragma once
#include <cstdint>
#include <stop_token>
#include <string>

#include "posix/descriptor.h"

namespace braid {

class LineFile {
 public:
  /// Throws a data error (E0301) if it cannot be opened.
  explicit LineFile(std::string path);

  /// The next line that is not empty, without its end. False at the end of the file, or when `stop`
  /// was requested while it waited.
  bool next(std::string& line, const std::stop_token& stop);
  /// Throws a data error (E0348) about the last line.
  [[noreturn]] void refuse(const std::string& why) const;

 private:
  bool fill(const std::stop_token& stop);
  bool read_line(std::string& line, const std::stop_token& stop);

  std::string path_;
  posix::Descriptor own_;  // none for stdin
  int fd_;
  std::string buffer_ = {};
  size_t at_ = 0;
  int64_t number_ = 0;
};

}  // namespace braid
