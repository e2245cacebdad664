// Files that a user names, as text.
#pragma once
#include <cstdint>
#include <string>

namespace braid::cli {

/// Throws Error(data) with this code where there is no such file, or a longer one.
std::string file_text(const std::string& path, const char* code, int64_t most = int64_t{1} << 30);

}  // namespace braid::cli
