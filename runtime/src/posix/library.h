#pragma once
#include <string>
#include <vector>

namespace braid {

/// A symbol of the first of these shared libraries that can be loaded; they stay loaded. Null, and
/// in `why` a line for each that was tried, when there is none.
void* find_symbol(const std::vector<std::string>& libraries, const char* symbol,
                  std::vector<std::string>& why);

/// The folder of the file that this code was loaded from: the program, or a library.
std::string own_folder();

}  // namespace braid
