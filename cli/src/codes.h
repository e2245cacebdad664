// What `braid explain` says about each code of a diagnostic.
#pragma once
#include <span>
#include <string_view>

namespace braid::cli {

struct CodeEntry {
  std::string_view code;
  std::string_view meaning;
  std::string_view fix;
};

/// By code. Every code that the sources use is there: a test compares.
std::span<const CodeEntry> codes();

}  // namespace braid::cli
