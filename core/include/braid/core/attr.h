// Attr: one marked value of the language (null, bool, integer, float, text, list or dictionary).
// It is what remains of YAML once it has been read and its expressions evaluated, and it is how
// layers, operations, data sources and optimizers receive what was typed.
//
//   Attr stride = 2;
//   Attr kernel = Attr::List{3, 5};
//   Dict params = {{"out_channels", 16}, {"bias", false}};
//   find(params, "bias")->as_bool();
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <braid/core/mark.h>

namespace braid {

struct Entry;
using Dict = std::vector<Entry>;  ///< in the order it was typed; keys are unique

struct Attr {
  using List = std::vector<Attr>;
  using Null = std::monostate;

  std::variant<Null, bool, int64_t, double, std::string, List, Dict> value;
  Mark mark = {};  ///< where the value begins

  // Defined below Entry: clang wants it complete before a Dict can be built or destroyed.
  Attr();
  Attr(bool v);
  Attr(int v);
  Attr(int64_t v);
  Attr(double v);
  Attr(const char* v);
  Attr(std::string v);
  Attr(List v);
  Attr(Dict v);

  template <class T>
  bool is() const {
    return std::holds_alternative<T>(value);
  }
  bool is_null() const { return is<Null>(); }
  bool is_number() const { return is<int64_t>() || is<double>(); }

  // The accessors throw std::bad_variant_access on another kind; check kinds first (see params.h).
  bool as_bool() const { return std::get<bool>(value); }
  int64_t as_int() const { return std::get<int64_t>(value); }
  double as_double() const;  ///< integers convert
  const std::string& as_text() const { return std::get<std::string>(value); }
  const List& as_list() const { return std::get<List>(value); }
  const Dict& as_dict() const { return std::get<Dict>(value); }
};

struct Entry {
  std::string key;
  Attr value;
  Mark mark = {};  ///< where the key stands
};

inline Attr::Attr() = default;
inline Attr::Attr(bool v) : value(v) {}
inline Attr::Attr(int v) : value(int64_t{v}) {}
inline Attr::Attr(int64_t v) : value(v) {}
inline Attr::Attr(double v) : value(v) {}
inline Attr::Attr(const char* v) : value(std::string(v)) {}
inline Attr::Attr(std::string v) : value(std::move(v)) {}
inline Attr::Attr(List v) : value(std::move(v)) {}
inline Attr::Attr(Dict v) : value(std::move(v)) {}

/// Equal values; marks do not count. 1 and 1.0 differ.
bool operator==(const Attr& a, const Attr& b);

/// The value under `key`, or null.
const Attr* find(const Dict& dict, std::string_view key);
const Entry* find_entry(const Dict& dict, std::string_view key);
/// Replaces the value under `key`, or appends it.
void set(Dict& dict, std::string key, Attr value);

// Typed reads with a default, for kernels and layers whose parameters were validated before.
// get_double gives the default also for what is no number.
bool get_bool(const Dict& dict, std::string_view key, bool otherwise = false);
int64_t get_int(const Dict& dict, std::string_view key, int64_t otherwise = 0);
double get_double(const Dict& dict, std::string_view key, double otherwise = 0);
std::string get_text(const Dict& dict, std::string_view key, std::string otherwise = {});
/// A list of integers; a single integer is a list of one.
std::vector<int64_t> get_ints(const Dict& dict, std::string_view key,
                              std::vector<int64_t> otherwise = {});
/// A list of numbers; empty when there is none.
std::vector<double> get_doubles(const Dict& dict, std::string_view key);

/// As the language writes it: `null`, `true`, `3`, `0.5`, `text`, `[1, 2]`, `{a: 1}`.
std::string to_string(const Attr& attr);
/// "an integer", "a list", ...: for messages.
std::string kind_of(const Attr& attr);
/// The shortest decimal text that reads back as the same number, always with a point or exponent.
std::string shortest(double value);

}  // namespace braid
