#include <braid/core/mark.h>

namespace braid {

std::string to_string(const Mark& mark) {
  if (!mark.source) return {};
  std::string text = mark.source->name;
  if (mark.line > 0) text += ':' + std::to_string(mark.line);
  if (mark.line > 0 && mark.column > 0) text += ':' + std::to_string(mark.column);
  return text;
}

std::string source_line(const Mark& mark) {
  if (!mark.source || mark.line <= 0) return {};
  const std::string& text = mark.source->text;
  size_t begin = 0;
  for (int line = 1; line < mark.line; ++line) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) return {};
    begin = end + 1;
  }
  size_t end = text.find('\n', begin);
  if (end == std::string::npos) end = text.size();
  if (end > begin && text[end - 1] == '\r') --end;
  return text.substr(begin, end - begin);
}

}  // namespace braid
