#include "scalar.h"

#include <charconv>
#include <cmath>

namespace braid::dsl {
namespace {

constexpr std::string_view digits = "0123456789";

bool only(std::string_view text, std::string_view set) {
  return !text.empty() && text.find_first_not_of(set) == text.npos;
}

/// The shape of a decimal number: digits, an optional fraction, an optional exponent.
struct Decimal {
  std::string_view whole, fraction, exponent;
  bool has_point = false, has_exponent = false, valid = false;
};

Decimal split(std::string_view word) {
  Decimal d;
  size_t e = word.find_first_of("eE");
  std::string_view mantissa = word.substr(0, e);
  if (e != word.npos) {
    d.has_exponent = true;
    d.exponent = word.substr(e + 1);
    if (!d.exponent.empty() && (d.exponent[0] == '+' || d.exponent[0] == '-'))
      d.exponent.remove_prefix(1);
  }
  size_t point = mantissa.find('.');
  d.whole = mantissa.substr(0, point);
  d.has_point = point != mantissa.npos;
  if (d.has_point) d.fraction = mantissa.substr(point + 1);
  bool has_digits = !d.whole.empty() || !d.fraction.empty();
  auto fine = [](std::string_view part) { return part.empty() || only(part, digits); };
  d.valid = has_digits && fine(d.whole) && fine(d.fraction) &&
            (!d.has_exponent || only(d.exponent, digits));
  return d;
}

Scalar refused(std::string wrong, std::string help) {
  return {Attr(), std::move(wrong), std::move(help)};
}

Scalar read_integer(std::string_view word) {
  std::string_view text = word[0] == '+' ? word.substr(1) : word;
  int64_t value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size())
    return refused("the integer " + std::string(word) + " does not fit into 64 bits", "");
  return {Attr(value)};
}

Scalar read_real(std::string_view word) {
  std::string_view text = word[0] == '+' ? word.substr(1) : word;
  double value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool complete = end == text.data() + text.size();
  if (failed != std::errc() || !complete || !std::isfinite(value))
    return refused(std::string(word) + " is too large or too small for a number", "");
  return {Attr(value)};
}

/// Words that other readers of YAML take for numbers.
Scalar read_odd(std::string_view word, std::string_view bare) {
  std::string quoted = "'" + std::string(word) + "'";
  bool based = bare.size() > 2 && bare[0] == '0' && only(bare.substr(1, 1), "xXoObB") &&
               only(bare.substr(2), "0123456789abcdefABCDEF_");
  if (based)
    return refused("write numbers in decimal, not as " + std::string(word),
                   "text that looks like a number needs quotes: " + quoted);
  bool underscores = !bare.empty() && digits.find(bare[0]) != digits.npos &&
                     bare.find('_') != bare.npos && only(bare, "0123456789_.eE+-");
  if (underscores)
    return refused("a number has no underscores: " + std::string(word),
                   "text that looks like a number needs quotes: " + quoted);
  if (bare == ".inf" || bare == ".Inf" || bare == ".INF" || bare == ".nan" || bare == ".NaN" ||
      bare == ".NAN")
    return refused("numbers are finite, not " + std::string(word), "");
  return {Attr(std::string(word))};
}

}  // namespace

Scalar read_plain(std::string_view word) {
  if (word == "true") return {Attr(true)};
  if (word == "false") return {Attr(false)};
  if (word.empty()) return {Attr(std::string())};
  bool sign = word[0] == '-' || word[0] == '+';
  std::string_view bare = word.substr(sign);
  Decimal d = split(bare);
  if (!d.valid) return read_odd(word, bare);
  if (d.whole.size() > 1 && d.whole[0] == '0')
    return refused(
        "a number has no leading zeros: " + std::string(word),
        "write " +
            std::string(bare.substr(std::min(bare.find_first_not_of('0'), d.whole.size() - 1))) +
            ", or '" + std::string(word) + "' for text");
  return d.has_point || d.has_exponent ? read_real(word) : read_integer(word);
}

}  // namespace braid::dsl
