// What libyaml says about text that is not YAML, in words that help.
#pragma once
#include "events.h"
#include "tree.h"

namespace braid::dsl {

/// What the tree builder knew when the parser gave up.
struct SyntaxContext {
  Place long_quote;  ///< the last quoted text that spans lines (line 0: none)
  Place open;        ///< the innermost `[` or `{` that is not closed (line 0: none)
  char bracket = 0;  ///< which of the two
};

void report_syntax(Reading& reading, uint32_t source, const SyntaxError& error,
                   const SyntaxContext& context);

/// `%YAML 99` and its like: reports and returns true.
bool refuse_directives(Reading& reading, uint32_t source);

}  // namespace braid::dsl
