// How scalars are written.
#pragma once
#include <string>
#include <string_view>

#include "tree.h"

namespace braid::dsl {

/// Does the language read this scalar as text, whatever it looks like?
bool is_text(const Node& scalar);

/// In the plainest way that is read as the same value; `flow`: between brackets or braces.
std::string spelled(const Node& scalar, bool flow);
std::string spelled_key(const std::string& key, bool flow);

/// The lines of a text with line ends as a literal block can hold them.
bool fits_literal(const std::string& text);

}  // namespace braid::dsl
