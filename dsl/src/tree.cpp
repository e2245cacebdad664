#include "tree.h"

#include <algorithm>
#include <unordered_map>

#include "events.h"
#include "reading.h"
#include "syntax_error.h"

namespace braid::dsl {
namespace {

/// What an anchor names, and what a use of it costs.
struct Anchored {
  Node node;
  size_t nodes = 0, bytes = 0;
};

/// A list or map whose end has not been seen.
struct Open {
  Node node;
  size_t begin;
  size_t anchor;
  size_t nodes_before, bytes_before;
  bool expects_key;
  bool keeps_value = true;  // false: the key was refused
  std::string key = {};
  Place key_place = {};
  size_t key_end = 0;
  std::unordered_map<std::string, size_t> members = {};  // of a large map, by key
};

/// As a plain word.
bool is_null(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

/// Builds the tree. It throws Stop where going on makes no sense, and SyntaxError.
class TreeBuilder {
 public:
  TreeBuilder(Reading& reading, uint32_t source)
      : reading_(reading), source_(source), text_(reading.sources[source]->text), events_(text_) {}

  Node build();
  SyntaxContext context() const;

 private:
  Place place(const Position& at, size_t length = 1) const {
    return {source_, at.line, at.column, int(length)};
  }
  Place nothing_at(const Position& at) const;
  [[noreturn]] void stop(const char* code, Place at, std::string message, const char* help);
  size_t declare(std::string_view anchor);
  size_t behind_properties(const Event& event, bool& tagged) const;
  void check_tag(const Event& event);
  void count(const Place& at, size_t nodes, size_t bytes);
  void document(const Event& event);
  void alias(const Event& event);
  void scalar(const Event& event);
  void nothing(const Event& event);
  void open(const Event& event, Node::Kind kind);
  void close(const Event& event);
  void add(Node node, size_t anchor, size_t nodes, size_t bytes, size_t end);
  void add_key(Open& map, Node node, size_t end);
  const Member* find(Open& map, const std::string& key) const;
  bool has_value(const Open& map);
  size_t typed_length(const Event& event);
  void report_keys_without_value();

  Reading& reading_;
  uint32_t source_;
  const std::string& text_;
  Events events_;
  Node root_;
  std::vector<Open> open_;
  std::unordered_map<std::string, size_t> names_;  // the latest anchor of a name
  std::unordered_map<size_t, Anchored> anchors_;
  size_t last_anchor_ = 0;
  size_t nodes_ = 0, bytes_ = 0, documents_ = 0;
  Place long_quote_ = {};
  std::vector<Member> without_value_;
};

Node TreeBuilder::build() {
  for (;;) {
    const Event& event = events_.next();
    switch (event.kind) {
      case Event::Kind::document:
        document(event);
        break;
      case Event::Kind::alias:
        alias(event);
        break;
      case Event::Kind::scalar:
        scalar(event);
        break;
      case Event::Kind::list:
        open(event, Node::Kind::list);
        break;
      case Event::Kind::map:
        open(event, Node::Kind::map);
        break;
      case Event::Kind::close:
        close(event);
        break;
      case Event::Kind::end:
        report_keys_without_value();
        return std::move(root_);
    }
  }
}

SyntaxContext TreeBuilder::context() const {
  SyntaxContext context{long_quote_, {}, {}};
  for (const Open& open : open_) {
    const char bracket = text_[open.begin];
    if (bracket != '[' && bracket != '{') continue;
    context.open = open.node.place;
    context.bracket = bracket;
  }
  return context;
}

void TreeBuilder::stop(const char* code, Place at, std::string message, const char* help) {
  reading_.error(code, at, std::move(message)).help(help);
  throw Stop{};
}

void TreeBuilder::document(const Event& event) {
  if (++documents_ > 1)
    stop("E0004", place(event.begin), "text after the end of the document",
         "a file holds exactly one document, and its top level is a mapping `key: value`");
}

size_t TreeBuilder::declare(std::string_view anchor) {
  return anchor.empty() ? 0 : names_[std::string(anchor)] = ++last_anchor_;
}

/// Where the value behind an anchor and a tag begins.
size_t TreeBuilder::behind_properties(const Event& event, bool& tagged) const {
  const size_t end = event.end.byte;
  size_t at = event.begin.byte;
  auto typed = [&] { return at < end ? text_[at] : ' '; };
  while (typed() == '&' || typed() == '!') {
    tagged |= typed() == '!';
    at = text_.find_first_of(" \t\r\n,[]{}", at);
    do at = std::min(text_.find_first_not_of(" \t\r\n", at), end);
    while (typed() == '#' && (at = text_.find('\n', at)) < end);
  }
  return at;
}

void TreeBuilder::check_tag(const Event& event) {
  if (event.tag.empty()) return;
  reading_
      .error("E0008", place(event.begin),
             "tags are not part of the language (" + std::string(event.tag) + ")")
      .help("write the plain value; put text that looks like a number in quotes");
}

void TreeBuilder::count(const Place& at, size_t nodes, size_t bytes) {
  nodes_ += nodes;
  bytes_ += bytes;
  if (nodes_ > Limits::nodes)
    stop("E0006", at, "more than 1000000 values, with aliases written out",
         "a few lines of aliases can stand for billions of values");
  if (bytes_ > Limits::value_bytes)
    stop("E0006", at, "more than 64 MiB of text, with aliases written out",
         "a few lines of aliases can stand for billions of values");
}

void TreeBuilder::nothing(const Event& event) {
  Node node;
  node.place = event.text.empty() ? nothing_at(event.begin) : place(event.begin);
  count(node.place, 1, 0);
  if (!open_.empty() && open_.back().node.is_map() && !open_.back().expects_key)
    open_.back().keeps_value &= has_value(open_.back());
  add(std::move(node), declare(event.anchor), 1, 0, event.end.byte);
}

/// Where nothing was typed the mark may be that of what follows, lines below: step back to the
/// `-` or `:` that has no value.
Place TreeBuilder::nothing_at(const Position& position) const {
  const size_t at = position.byte;
  size_t before = at == 0 ? text_.npos : text_.find_last_not_of(" \t\r\n", at - 1);
  if (before == text_.npos) return place(position);
  auto lines = std::count(text_.begin() + ptrdiff_t(before), text_.begin() + ptrdiff_t(at), '\n');
  if (lines == 0) return {source_, position.line, position.column - int(at - before), 1};
  size_t line_end = text_.rfind('\n', before);
  size_t column = before - (line_end == text_.npos ? 0 : line_end + 1) + 1;
  return {source_, position.line - int(lines), int(column), 1};
}

/// `{a, b: 1}` and `{a:1}`: a key without a colon, which usually comes from a comma or a missing
/// blank.
bool TreeBuilder::has_value(const Open& map) {
  size_t next = text_.find_first_not_of(" \t\r\n", map.key_end);
  if (!map.keeps_value || (next != text_.npos && text_[next] == ':')) return true;
  without_value_.push_back({map.key, map.key_place, {}});
  return false;
}

/// Reported at the end only: in a list that is never closed every value looks like such a key.
void TreeBuilder::report_keys_without_value() {
  for (const Member& member : without_value_) {
    const std::string& key = member.key;
    auto& error = reading_.error("E0011", member.place, "key '" + key + "' has no value");
    if (std::count(key.begin(), key.end(), ')') > std::count(key.begin(), key.end(), '('))
      error.help("a comma inside $(...) in a flow map needs quotes: \"$(min(a, b))\"");
    else if (key.find(':') != std::string::npos)
      error.help("a colon needs a blank after it: `key: value`");
    else if (key.find_first_not_of("0123456789") == std::string::npos)
      error.help(
          "a comma splits values: numbers have a point, 0.1, and no commas between thousands");
    else
      error.help("a comma may have split a value in two; put the value in quotes");
  }
}

void TreeBuilder::alias(const Event& event) {
  Place at = place(event.begin, event.end.byte - event.begin.byte);
  auto name = names_.find(std::string(event.text));
  if (name == names_.end())
    stop("E0007", at, "this alias names nothing",
         "an anchor `&name` must stand above it; a pattern that begins with `*` needs quotes: "
         "'*.bias'");
  for (const Open& open : open_)
    if (open.anchor == name->second)
      stop("E0007", at, "this alias contains itself", "an alias can only repeat what is complete");
  const Anchored& named = anchors_.at(name->second);
  count(at, named.nodes, named.bytes);
  Node copy = named.node;
  copy.place = at;
  copy.verbatim = false;
  add(std::move(copy), 0, named.nodes, named.bytes, event.end.byte);
}

/// On its first line.
size_t TreeBuilder::typed_length(const Event& event) {
  const size_t begin = event.begin.byte;
  if (event.style == Event::Style::block) return 1;
  if (event.end.line == event.begin.line) return std::max<size_t>(1, event.end.byte - begin);
  if (event.style == Event::Style::quoted) long_quote_ = place(event.begin);
  return std::min(text_.find_first_of("\r\n", begin), text_.size()) - begin;
}

void TreeBuilder::scalar(const Event& event) {
  check_tag(event);
  bool tagged = false;
  behind_properties(event, tagged);
  const bool plain = event.style == Event::Style::plain;
  if (plain && !tagged && is_null(event.text)) return nothing(event);
  Node node;
  node.kind = Node::Kind::scalar;
  node.quoted = !plain || (tagged && event.tag.empty());  // `! 1` is text
  node.place = place(event.begin, typed_length(event));
  node.text = event.text;
  const size_t bytes = event.text.size();
  if (bytes > Limits::scalar_bytes)
    stop("E0006", node.place, "a value of more than 1 MiB", "put data into a file of its own");
  count(node.place, 1, bytes);
  node.verbatim = text_.compare(event.begin.byte + node.quoted, bytes, node.text) == 0;
  add(std::move(node), declare(event.anchor), 1, bytes, event.end.byte);
}

void TreeBuilder::open(const Event& event, Node::Kind kind) {
  Node node;
  node.kind = kind;
  node.place = place(event.begin);
  check_tag(event);
  if (open_.size() >= Limits::depth)
    stop("E0006", node.place, "nested deeper than 64 levels", "use blocks instead of nesting");
  bool tagged = false;
  open_.push_back({std::move(node), behind_properties(event, tagged), declare(event.anchor), nodes_,
                   bytes_, kind == Node::Kind::map});
  count(open_.back().node.place, 1, 0);
}

void TreeBuilder::close(const Event& event) {
  Open done = std::move(open_.back());
  open_.pop_back();
  add(std::move(done.node), done.anchor, nodes_ - done.nodes_before, bytes_ - done.bytes_before,
      event.end.byte);
}

void TreeBuilder::add(Node node, size_t anchor, size_t nodes, size_t bytes, size_t end) {
  if (anchor != 0) {
    count(node.place, nodes, bytes);  // the copy that is kept: nested anchors keep many
    anchors_[anchor] = {node, nodes, bytes};
  }
  if (open_.empty()) {
    root_ = std::move(node);
    return;
  }
  Open& parent = open_.back();
  if (parent.node.is_list()) {
    parent.node.items.push_back(std::move(node));
  } else if (parent.expects_key) {
    add_key(parent, std::move(node), end);
  } else {
    if (parent.keeps_value)
      parent.node.members.push_back({std::move(parent.key), parent.key_place, std::move(node)});
    parent.expects_key = true;
  }
}

void TreeBuilder::add_key(Open& map, Node node, size_t end) {
  map.expects_key = false;
  map.keeps_value = false;
  map.key_end = end;
  map.key_place = node.place;
  if (!node.is_scalar() || node.text.empty()) {
    reading_.error("E0010", node.place, "a key must be a word, this is " + kind_of(node));
    return;
  }
  if (node.text.size() > Limits::key_bytes) {
    reading_.error("E0006", node.place, "a key of more than 128 bytes");
    return;
  }
  if (node.text == "<<") {
    reading_.error("E0009", node.place, "merge keys `<<` are not part of the language")
        .help("write a block with params and `use` it, or give each value an anchor of its own");
    return;
  }
  if (const Member* before = find(map, node.text)) {
    reading_.error("E0005", node.place, "key '" + node.text + "' stands here twice")
        .note(reading_.mark(before->place), "the first one")
        .help("remove or rename one of the two");
    return;
  }
  map.key = std::move(node.text);
  map.keeps_value = true;
}

/// The index pays off in large maps only.
const Member* TreeBuilder::find(Open& map, const std::string& key) const {
  const std::vector<Member>& members = map.node.members;
  if (members.size() < 16) return find_member(map.node, key);
  for (size_t i = map.members.size(); i < members.size(); ++i)
    map.members.emplace(members[i].key, i);
  auto found = map.members.find(key);
  return found == map.members.end() ? nullptr : &members[found->second];
}

}  // namespace

const Member* find_member(const Node& map, std::string_view key) {
  for (const Member& member : map.members)
    if (member.key == key) return &member;
  return nullptr;
}

Place inside(const Node& scalar, size_t at, size_t length) {
  if (!scalar.verbatim) return scalar.place;
  Place place = scalar.place;
  place.column += int(at) + scalar.quoted;
  place.length = int(length);
  return place;
}

std::string kind_of(const Node& node) {
  static constexpr const char* kinds[] = {"empty", "text", "a list", "a mapping"};
  return kinds[size_t(node.kind)];
}

bool parse_yaml(Reading& reading, uint32_t source, Node& root) {
  if (refuse_directives(reading, source)) return false;
  TreeBuilder builder(reading, source);
  try {
    root = builder.build();
    return true;
  } catch (const SyntaxError& error) {
    report_syntax(reading, source, error, builder.context());
  } catch (const Stop&) {
  }
  return false;
}

}  // namespace braid::dsl
