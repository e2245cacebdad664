// A wrong and a right example of each code, from cli/explain/CODE.txt: sections `wrong:`, `right:`
// and, where an example needs a second file, its name; the text of each is indented by four.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace braid::cli {

/// The file as it is, or "" where a code has none.
std::string_view example_text(std::string_view code);

/// Its sections by title, without the indentation.
std::vector<std::pair<std::string, std::string>> example_sections(std::string_view code);

}  // namespace braid::cli
