// Reads a mapping key by key and reports what is left over, with the nearest known key.
//
//   Keys keys(env, node, "train");
//   if (const Node* steps = keys.take("steps")) ...
//   keys.finish();
#pragma once
#include <string>
#include <vector>

#include "values.h"

namespace braid::dsl {

class Keys {
 public:
  /// Reports when `node` is no mapping, with an example of one; nothing can be taken from it then.
  Keys(const Env& env, const Node& node, std::string what, const char* example = "");

  bool is_map() const { return node_.is_map(); }
  /// The value under `key`, or null; the key is known from now on.
  const Node* take(const char* key);
  const Member* take_member(const char* key);
  /// The same, and reports when the key is missing, with what to add, or misspelt.
  const Node* require(const char* key, const char* example = "");
  /// A key that has a message of its own and is never suggested.
  const Member* take_odd(const char* key);
  /// Takes every key that is left (but for `x-` and `note`), for parameters that others check.
  std::vector<const Member*> rest();
  /// Reports the keys that nobody took. `more` names keys that were known elsewhere.
  void finish();

 private:
  const Member* misspelt(const char* key);
  Diagnostic& unknown(const Member& member, const std::vector<std::string>& known);

  const Env& env_;
  const Node& node_;
  std::string what_;
  std::vector<bool> taken_;
  std::vector<std::string> known_;
};

/// Keys that are the user's own, anywhere: `x-...`.
bool is_users(const std::string& key);

}  // namespace braid::dsl
