// Reads the keys of one dictionary that the user typed, reports what is wrong with each, and at the
// end what nobody asked for.
//
//   Keys keys(declared.params, declared.mark, "schedule 'step'", found);
//   int64_t every = keys.integer("step_size", {.required = true, .least = 1});
//   keys.finish();
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <braid/core/attr.h>
#include <braid/core/error.h>

namespace braid {

class Keys {
 public:
  /// `what` begins every message: "data source 'Idx'".
  Keys(const Dict& dict, Mark mark, std::string what, Diagnostics& found);

  struct IntegerRule {
    int64_t otherwise = 0;
    bool required = false;
    int64_t least = std::numeric_limits<int64_t>::min();
  };
  struct NumberRule {
    double otherwise = 0;
    double least = -std::numeric_limits<double>::infinity();
    bool zero = true;  ///< whether 0 is allowed
  };

  bool has(const std::string& key) { return get(key) != nullptr; }
  /// The value, or null; the key counts as known from now on.
  const Attr* get(const std::string& key);
  const Attr* required(const std::string& key);
  std::string text(const std::string& key, bool is_required = false);
  bool flag(const std::string& key, bool otherwise);
  int64_t integer(const std::string& key, IntegerRule rule);
  double number(const std::string& key, NumberRule rule);

  /// Reports the keys that nobody asked for, each with the nearest known one.
  void finish();
  /// E0333 at a value.
  void wrong(const Attr& value, const std::string& key, const std::string& expected);

 private:
  const Dict& dict_;
  Mark mark_;
  std::string what_;
  Diagnostics& found_;
  std::vector<std::string> known_;
};

/// E0330: a data source or schedule of a type that does not exist.
void unknown_type(Diagnostics& found, const Mark& mark, const std::string& what,
                  const std::string& type, const std::vector<std::string>& known);

}  // namespace braid
