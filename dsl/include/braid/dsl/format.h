// The canonical form of a network file: one order of keys, one spelling, one layout. Comments stay
// with what they stand beside or above; the Model is the same.
//
//   Diagnostics found;
//   if (auto text = format_text(slurp("net.yaml"), "net.yaml", found)) ...
#pragma once
#include <optional>
#include <string>

#include <braid/core/error.h>

namespace braid {

/// Nothing, and errors in `found`, for what is not a file of the language as far as can be told
/// without looking at its names and values.
std::optional<std::string> format_text(std::string text, const std::string& name,
                                       Diagnostics& found);

}  // namespace braid
