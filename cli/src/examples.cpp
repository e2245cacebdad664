#include "examples.h"

#include <sstream>

namespace braid::cli {
namespace {

struct Example {
  std::string_view code, text;
};

constexpr Example table[] = {
#include "examples.inc"
};

}  // namespace

std::string_view example_text(std::string_view code) {
  for (auto& example : table)
    if (example.code == code) return example.text;
  return {};
}

std::vector<std::pair<std::string, std::string>> example_sections(std::string_view code) {
  constexpr size_t indent = 4;
  std::vector<std::pair<std::string, std::string>> sections;
  std::istringstream lines{std::string(example_text(code))};
  for (std::string line; std::getline(lines, line);)
    if (line.ends_with(':') && !line.starts_with(' '))
      sections.emplace_back(line.substr(0, line.size() - 1), "");
    else
      sections.back().second += line.substr(std::min(indent, line.size())) + "\n";
  return sections;
}

}  // namespace braid::cli
