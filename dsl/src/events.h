// What libyaml finds in a text, one event after the other. Its marks count characters, ours bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace braid::dsl {

struct Position {
  size_t byte = 0;
  int line = 0, column = 0;  ///< from 1, the column in bytes; line 0: nowhere
};

struct Event {
  enum class Kind : uint8_t { document, alias, scalar, list, map, close, end };
  enum class Style : uint8_t { plain, quoted, block };
  Kind kind = Kind::end;
  Style style = Style::plain;     ///< of a scalar
  Position begin = {}, end = {};  ///< with anchor and tag
  std::string_view text = {};     ///< of a scalar; the name of an alias
  std::string_view anchor = {}, tag = {};
};

/// Thrown by Events::next where the text is no YAML. The words are libyaml's.
struct SyntaxError {
  std::string_view problem, context;
  Position at, since;  ///< of the problem; of what was begun (nowhere, if nothing was)
};

class Events {
 public:
  /// `text` is UTF-8 and lives longer.
  explicit Events(std::string_view text);
  ~Events();
  /// What it returns is good until the next call. Nothing follows `end` or a SyntaxError.
  const Event& next();

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace braid::dsl
