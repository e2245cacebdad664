// Params of files and blocks: a default value, or a type that makes the param required.
//
//   params: {ch: int, s: 1, act: layer, hidden: $(4 * ch)}
#pragma once
#include <string>
#include <vector>

#include "values.h"

namespace braid::dsl {

struct ParamDecl {
  enum class Kind { any, integer, number, boolean, text, list, layer };
  std::string name;
  Place place;
  Kind kind = Kind::any;            ///< of a required param; a default's kind shows when it is read
  const Node* otherwise = nullptr;  ///< null: required
};

std::vector<ParamDecl> read_params(const Env& env, const Node& node);

/// One value that a caller gave.
struct Given {
  const Member* member;
  bool used = false;
};

/// The names that a body with these params sees: given values read in the caller's `env`, defaults
/// among the params above them, all inside `outer`. Nothing when a value is missing or wrong;
/// `caller`, if any, is the use of a block.
ScopePtr bind_params(const Env& env, const std::vector<ParamDecl>& decls, std::vector<Given>& given,
                     const ScopePtr& outer, const Place* caller, const std::string& what);

/// Is this mapping an item of a layer list?
bool looks_like_item(const Node& node);

}  // namespace braid::dsl
