#include "file_text.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include <braid/core/error.h>

#include "output.h"

namespace braid::cli {

std::string file_text(const std::string& path, const char* code, int64_t most) {
  std::ifstream in(path, std::ios::binary);
  std::error_code none;
  if (!in || std::filesystem::is_directory(path, none))
    throw Error(Fault::data, code, path + ": " + std::strerror(in ? EISDIR : errno));
  std::string text;
  std::vector<char> buffer(1 << 16);
  while (in.read(buffer.data(), std::streamsize(buffer.size())) || in.gcount() > 0) {
    text.append(buffer.data(), size_t(in.gcount()));
    if (int64_t(text.size()) > most)
      throw Error(Fault::data, code, path + ": it is longer than " + bytes_text(most));
  }
  return text;
}

}  // namespace braid::cli
