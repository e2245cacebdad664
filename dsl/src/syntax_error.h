// What yaml-cpp says about text that is not YAML, in words that help.
#pragma once
#include <cstddef>
#include <string>

#include "yaml.h"

namespace braid::dsl {

/// What the tree builder knew when the parser gave up.
struct SyntaxContext {
  size_t last_end = 0;  ///< byte after the last value that was read
  Place long_quote;     ///< the last quoted text that spans lines (line 0: none)
  Place open;           ///< the innermost list or map that is not closed (line 0: none)
};

void report_syntax(Reading& reading, uint32_t source, int line, int column,
                   const std::string& message, const SyntaxContext& context);

/// `%YAML 99` and its like: reports and returns true.
bool refuse_directives(Reading& reading, uint32_t source);

}  // namespace braid::dsl
