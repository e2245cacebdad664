#include "yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>

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
  size_t anchor;
  size_t nodes_before, bytes_before;
  bool expects_key;
  bool keeps_value = true;  // false: the key was refused
  std::string key = {};
  Place key_place = {};
  size_t key_begin = 0;
  std::unordered_map<std::string, Place> keys = {};
};

/// Builds the tree from yaml-cpp's events. It throws Stop where going on makes no sense.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(Reading& reading, uint32_t source)
      : reading_(reading), source_(source), text_(reading.sources[source]->text) {}

  Node take() { return std::move(root_); }
  void report_keys_without_value();
  SyntaxContext context() const;

  void OnDocumentStart(const YAML::Mark& mark) override;
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  Place place(const YAML::Mark& mark, int length = 1) const {
    return {source_, mark.line + 1, mark.column + 1, length};
  }
  Place nothing_at(const YAML::Mark& mark) const;
  [[noreturn]] void stop(const char* code, Place at, std::string message, const char* help);
  void check_tag(const Place& at, const std::string& tag);
  void count(const Place& at, size_t nodes, size_t bytes);
  void open(const YAML::Mark& mark, const std::string& tag, size_t anchor, Node::Kind kind);
  void close();
  void add(Node node, size_t anchor, size_t nodes, size_t bytes, size_t begin);
  void add_key(Open& map, Node node, size_t begin);
  bool has_value(const Open& map);
  int quoted_length(size_t begin, const Place& at);
  size_t line_end_after(size_t at);

  Reading& reading_;
  uint32_t source_;
  const std::string& text_;
  Node root_;
  std::vector<Open> open_;
  std::unordered_map<size_t, Anchored> anchors_;
  size_t nodes_ = 0, bytes_ = 0, documents_ = 0;
  size_t last_end_ = 0;
  size_t line_begin_ = 1, line_end_ = 0;  // of the line asked for last
  Place long_quote_ = {};
  std::vector<Member> without_value_;
};

SyntaxContext TreeBuilder::context() const {
  SyntaxContext context{last_end_, long_quote_, {}};
  for (const Open& open : open_) context.open = open.node.place;
  return context;
}

void TreeBuilder::stop(const char* code, Place at, std::string message, const char* help) {
  reading_.error(code, at, std::move(message)).help(help);
  throw Stop{};
}

void TreeBuilder::OnDocumentStart(const YAML::Mark& mark) {
  if (++documents_ > 1)
    stop("E0004", place(mark), "text after the end of the document",
         "a file holds exactly one document, and its top level is a mapping `key: value`");
}

void TreeBuilder::check_tag(const Place& at, const std::string& tag) {
  if (tag.empty() || tag == "?" || tag == "!") return;
  reading_.error("E0008", at, "tags are not part of the language (" + tag + ")")
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

void TreeBuilder::OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) {
  Node node;
  node.place = nothing_at(mark);
  count(node.place, 1, 0);
  if (!open_.empty() && open_.back().node.is_map() && !open_.back().expects_key)
    open_.back().keeps_value &= has_value(open_.back());
  add(std::move(node), anchor, 1, 0, size_t(mark.pos));
}

/// Where nothing was typed the mark is that of the next value, maybe lines below: step back to the
/// `-` or `:` that has no value.
Place TreeBuilder::nothing_at(const YAML::Mark& mark) const {
  size_t at = std::min(size_t(mark.pos), text_.size());
  bool typed = at < text_.size() && (text_[at] == '~' || text_[at] == 'n' || text_[at] == 'N');
  if (typed || at == 0) return place(mark);
  size_t before = text_.find_last_not_of(" \t\r\n", at - 1);
  if (before == std::string::npos) return place(mark);
  auto lines = std::count(text_.begin() + ptrdiff_t(before), text_.begin() + ptrdiff_t(at), '\n');
  if (lines == 0) return {source_, mark.line + 1, mark.column + 1 - int(at - before), 1};
  size_t line_end = text_.rfind('\n', before);
  size_t column = before - (line_end == std::string::npos ? 0 : line_end + 1) + 1;
  return {source_, mark.line + 1 - int(lines), int(column), 1};
}

/// `{a, b: 1}` and `{a:1}`: a key without a colon, which usually comes from a comma or a missing
/// blank.
bool TreeBuilder::has_value(const Open& map) {
  size_t end = map.key_begin + map.key.size();
  if (!map.keeps_value || text_.compare(map.key_begin, map.key.size(), map.key) != 0) return true;
  end = text_.find_first_not_of(" \t\r\n", end);
  if (end != std::string::npos && text_[end] == ':') return true;
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

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  Place at = place(mark, 2);
  for (const Open& open : open_)
    if (open.anchor == anchor)
      stop("E0007", at, "this alias contains itself", "an alias can only repeat what is complete");
  auto found = anchors_.find(anchor);
  if (found == anchors_.end())
    stop("E0007", at, "this alias names nothing", "an anchor `&name` must stand above its alias");
  count(at, found->second.nodes, found->second.bytes);
  Node copy = found->second.node;
  copy.place = at;
  copy.verbatim = false;
  size_t nodes = found->second.nodes, bytes = found->second.bytes;
  add(std::move(copy), 0, nodes, bytes, size_t(mark.pos));
  last_end_ = size_t(mark.pos) + 1;
}

/// Remembered, because a million values may stand on one line.
size_t TreeBuilder::line_end_after(size_t at) {
  if (at < line_begin_ || at > line_end_) {
    line_begin_ = at;
    line_end_ = std::min(text_.find('\n', at), text_.size());
  }
  return line_end_;
}

int TreeBuilder::quoted_length(size_t begin, const Place& at) {
  char quote = begin < text_.size() ? text_[begin] : 0;
  if (quote != '"' && quote != '\'') return 1;  // a block scalar
  size_t end = begin + 1;
  while (end < text_.size() && text_[end] != quote)
    end += quote == '"' && text_[end] == '\\' ? 2 : 1;
  size_t line_end = line_end_after(begin);
  if (end > line_end) long_quote_ = at;
  return int(std::min(end + 1, line_end) - begin);
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& value) {
  size_t begin = size_t(mark.pos);
  Node node;
  node.kind = Node::Kind::scalar;
  node.quoted = tag == "!";
  node.place = place(mark);
  node.text = value;
  check_tag(node.place, tag);
  if (value.size() > Limits::scalar_bytes)
    stop("E0006", node.place, "a value of more than 1 MiB", "put data into a file of its own");
  count(node.place, 1, value.size());
  node.verbatim = text_.compare(begin + node.quoted, value.size(), value) == 0;
  size_t line_end = line_end_after(begin);
  node.place.length = node.quoted
                          ? quoted_length(begin, node.place)
                          : int(std::max<size_t>(1, std::min(value.size(), line_end - begin)));
  add(std::move(node), anchor, 1, value.size(), begin);
  last_end_ = begin + value.size();
}

void TreeBuilder::open(const YAML::Mark& mark, const std::string& tag, size_t anchor,
                       Node::Kind kind) {
  Node node;
  node.kind = kind;
  node.place = place(mark);
  check_tag(node.place, tag);
  if (open_.size() >= Limits::depth)
    stop("E0006", node.place, "nested deeper than 64 levels", "use blocks instead of nesting");
  open_.push_back({std::move(node), anchor, nodes_, bytes_, kind == Node::Kind::map});
  count(open_.back().node.place, 1, 0);
  last_end_ = size_t(mark.pos);
}

void TreeBuilder::close() {
  Open done = std::move(open_.back());
  open_.pop_back();
  add(std::move(done.node), done.anchor, nodes_ - done.nodes_before, bytes_ - done.bytes_before, 0);
}

void TreeBuilder::add(Node node, size_t anchor, size_t nodes, size_t bytes, size_t begin) {
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
    add_key(parent, std::move(node), begin);
  } else {
    if (parent.keeps_value)
      parent.node.members.push_back({std::move(parent.key), parent.key_place, std::move(node)});
    parent.expects_key = true;
  }
}

void TreeBuilder::add_key(Open& map, Node node, size_t begin) {
  map.expects_key = false;
  map.keeps_value = false;
  map.key_begin = begin;
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
  auto [before, fresh] = map.keys.emplace(node.text, node.place);
  if (!fresh) {
    reading_.error("E0005", node.place, "key '" + node.text + "' stands here twice")
        .note(reading_.mark(before->second), "the first one")
        .help("remove or rename one of the two");
    return;
  }
  map.key = std::move(node.text);
  map.keeps_value = true;
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
  const std::string& text = reading.sources[source]->text;
  if (refuse_directives(reading, source)) return false;
  // yaml-cpp 0.7 takes an unterminated quote as complete when the file ends with a line end.
  size_t end = text.find_last_not_of(" \t\r\n");
  std::istringstream in(text.substr(0, end == std::string::npos ? 0 : end + 1));
  TreeBuilder builder(reading, source);
  try {
    YAML::Parser parser(in);
    // Twice and no more: in 0.7 a loop over it never ends on the one-byte file `,`.
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
  } catch (const YAML::ParserException& e) {
    report_syntax(reading, source, e.mark.line, e.mark.column, e.msg, builder.context());
    return false;
  } catch (const Stop&) {
    return false;
  }
  builder.report_keys_without_value();
  root = builder.take();
  return true;
}

}  // namespace braid::dsl
