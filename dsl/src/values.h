// From nodes of the tree to values: expressions are evaluated against the names in scope, kinds are
// checked, and what is wrong is reported with its place. A function that returns nothing has
// reported why.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "reading.h"

namespace braid::dsl {

struct File;
struct Scope;
using ScopePtr = std::shared_ptr<const Scope>;

/// A `layer` param: a whole item, to be written where it is used, with the names it was typed
/// among.
struct LayerValue {
  const Node* node = nullptr;
  ScopePtr scope = {};
};

struct Variable {
  std::string name;
  std::variant<Attr, LayerValue> value;
};

/// The names that an expression sees; an inner name hides an outer one.
struct Scope {
  ScopePtr outer = {};
  const File* file = nullptr;  ///< where `use` looks for blocks
  std::vector<Variable> variables = {};
};

const Variable* find_variable(const Scope* scope, std::string_view name);

/// Where a value is read: its names, and the chain of blocks that led here.
struct Env {
  Reading& reading;
  ScopePtr scope = {};
  Via via = {};

  Diagnostic& error(const char* code, const Place& at, std::string message) const {
    return reading.error(code, at, std::move(message), via);
  }
  Mark mark(const Place& at) const { return reading.mark(at, via); }
  /// The same place with more names.
  Env with(std::vector<Variable> variables) const;
};

std::optional<Attr> evaluate(const Env& env, const Node& node);

/// A value in a message: what it is and, where that is short, the value itself.
std::string described(const Attr& value);

/// The layer that a scalar `$name` stands for, or null.
const LayerValue* layer_value(const Env& env, const Node& node);

/// A name: a scalar as it was typed (`0` is the text 0), expressions evaluated.
std::optional<std::string> read_name(const Env& env, const Node& node, const std::string& what);

std::optional<std::string> read_text_value(const Env& env, const Node& node,
                                           const std::string& what);
std::optional<bool> read_bool(const Env& env, const Node& node, const std::string& what);
std::optional<int64_t> read_integer(const Env& env, const Node& node, const std::string& what,
                                    int64_t min, int64_t max = INT64_MAX);
std::optional<double> read_number(const Env& env, const Node& node, const std::string& what);
/// A list of texts, or a single text.
std::optional<std::vector<std::string>> read_texts(const Env& env, const Node& node,
                                                   const std::string& what);

/// Names of layers, blocks, params: no blanks, no slashes, at most 128 bytes.
bool check_name(const Env& env, const std::string& name, const Place& at, const std::string& what);

}  // namespace braid::dsl
