// Our own tree of a YAML text: every value knows its place. It is read strictly, so that what
// reaches the rest of the reader has unique text keys, no tags, no merge keys and no cycles.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace braid::dsl {

/// Where something stands: compact, because there may be a million of them.
struct Place {
  uint32_t source = 0;  ///< index into Reading::sources
  int line = 0, column = 0, length = 0;
};

struct Member;

struct Node {
  enum class Kind : uint8_t { null, scalar, list, map };
  Kind kind = Kind::null;
  bool quoted = false;    ///< a quoted or block scalar: always text
  bool verbatim = false;  ///< the text stands in the source as it is, byte for byte
  Place place = {};
  std::string text = {};
  std::vector<Node> items;
  std::vector<Member> members;

  bool is_null() const { return kind == Kind::null; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_list() const { return kind == Kind::list; }
  bool is_map() const { return kind == Kind::map; }
};

struct Member {
  std::string key;
  Place place;
  Node value;
};

const Member* find_member(const Node& map, std::string_view key);

/// The place of `length` bytes that begin at byte `at` of a scalar's text.
Place inside(const Node& scalar, size_t at, size_t length);

/// "a list", "text", ...
std::string kind_of(const Node& node);

struct Reading;

/// Reads one document from source number `source`. Reports to `reading`; false when it could not be
/// read to its end.
bool parse_yaml(Reading& reading, uint32_t source, Node& root);

}  // namespace braid::dsl
