// What a plain word of YAML means. Stricter than YAML 1.1: only `true` and `false` are booleans,
// `010` is not 8, and text that looks like a number is text only in quotes.
#pragma once
#include <string>
#include <string_view>

#include <braid/core/attr.h>

namespace braid::dsl {

struct Scalar {
  Attr value;
  std::string wrong = {};  ///< why the word is refused, or ""
  std::string help = {};
};

Scalar read_plain(std::string_view word);

}  // namespace braid::dsl
