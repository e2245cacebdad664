#include <braid/core/format.h>

#include <cctype>
#include <cstddef>

namespace braid {

int64_t storage_elements(std::span<const int64_t> dims, std::string_view format) {
  int64_t count = 1;
  if (format.empty()) {
    for (auto d : dims) count *= d;
    return count;
  }
  int64_t block[12];
  for (auto& b : block) b = 1;
  for (size_t i = 0; i < format.size();) {
    if (!std::isdigit(static_cast<unsigned char>(format[i]))) {
      ++i;
      continue;
    }
    int64_t size = 0;
    while (i < format.size() && std::isdigit(static_cast<unsigned char>(format[i])))
      size = size * 10 + (format[i++] - '0');
    if (i < format.size()) block[(format[i++] - 'a') % 12] *= size;
  }
  for (size_t d = 0; d < dims.size(); ++d) count *= (dims[d] + block[d] - 1) / block[d] * block[d];
  return count;
}

int channel_block(std::string_view format) {
  if (format.empty()) return 1;
  if (format == "aBc16b" || format == "aBcd16b" || format == "aBcde16b") return 16;
  if (format == "aBc8b" || format == "aBcd8b" || format == "aBcde8b") return 8;
  return 0;
}

}  // namespace braid
