// `for: {k: 0..4}`: the values that an item is written with.
#pragma once
#include <string>
#include <vector>

#include "values.h"

namespace braid::dsl {

/// One time that the item is written.
struct Turn {
  std::vector<Variable> variables;
  std::string label;  ///< `k=3`
};

std::vector<Turn> read_loop(const Env& env, const Node& node);

}  // namespace braid::dsl
