#pragma once
#include <string>
#include <vector>

namespace braid {

/// Rows of cells as lines of text whose columns stand under each other; no blanks at line ends.
std::string columns(const std::vector<std::vector<std::string>>& rows);

}  // namespace braid
