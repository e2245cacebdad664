// The canonical form of a file. Its tree becomes entries, members and items, which carry the
// comments above and beside them; what fits on a line is written on one.
#include <braid/dsl/format.h>

#include <algorithm>
#include <array>

#include "comments.h"
#include "files.h"
#include "spelling.h"
#include "text.h"

namespace braid {
namespace dsl {
namespace {

constexpr size_t columns = 120;

/// A member of a mapping or an item of a list.
struct Piece {
  const std::string* key = nullptr;  ///< null: an item
  const Node* node = nullptr;
  std::string anchor = {}, alias = {};  ///< `&name`, `*name`
  bool literal = false;                 ///< a text of several lines, behind `|`
  bool stages = false;                  ///< the list of a pipeline
  int line = 0, last = 0;
  std::vector<std::string> head = {};  ///< lines above; "" = an empty one
  std::string tail = {};               ///< behind it, on its line
  std::vector<Piece> inner = {};

  bool is_list() const { return alias.empty() && node->is_list(); }
  bool is_map() const { return alias.empty() && node->is_map(); }
};

// ---- the order of keys

constexpr std::array<std::string_view, 29> of_file = {
    "braid",   "name",      "note",    "params",    "include",  "plugins", "replicas", "batch",
    "seed",    "precision", "reduce",  "blocks",    "inputs",   "layers",  "pipeline", "tie",
    "outputs", "loss",      "metrics", "optimizer", "schedule", "phases",  "data",     "train",
    "weights", "freeze",    "sync",    "init",      "devices"};
constexpr std::array<std::string_view, 5> of_block = {"note", "params", "inputs", "layers",
                                                      "outputs"};
constexpr std::array<std::string_view, 8> first_of_item = {"for",   "name", "type", "use",
                                                           "share", "if",   "when", "from"};
constexpr std::array<std::string_view, 11> last_of_item = {
    "repeat",        "sync",         "freeze", "recompute", "init",  "constant",
    "spectral_norm", "on_replicate", "expect", "note",      "layers"};

constexpr std::array<std::string_view, 6> first_of_stage = {"for", "name", "type",
                                                            "if",  "from", "call"};
constexpr std::array<std::string_view, 5> last_of_stage = {"parallel", "order", "queue", "overflow",
                                                           "note"};

template <size_t n>
int place_in(const std::array<std::string_view, n>& order, std::string_view key, int otherwise) {
  auto found = std::find(order.begin(), order.end(), key);
  return found == order.end() ? otherwise : int(found - order.begin());
}

/// A layer's own parameters keep their order, between the keys that every item has.
int place_in_item(std::string_view key) {
  const int last = place_in(last_of_item, key, -1);
  return last >= 0 ? 1000 + last : place_in(first_of_item, key, 500);
}

template <class Place>
void sort_by(std::vector<Piece>& entries, Place place) {
  std::stable_sort(entries.begin(), entries.end(),
                   [&](const Piece& a, const Piece& b) { return place(*a.key) < place(*b.key); });
}

void sort_items(Piece& list);

void sort_item(Piece& item) {
  if (!item.is_map()) return;
  sort_by(item.inner, place_in_item);
  for (Piece& member : item.inner)
    if (*member.key == "layers") sort_items(member);
}

void sort_items(Piece& list) {
  if (list.is_list())
    for (Piece& item : list.inner) sort_item(item);
}

/// What a callable or a kind of stage takes keeps its order, in the middle.
int place_in_stage(std::string_view key) {
  const int last = place_in(last_of_stage, key, -1);
  return last >= 0 ? 1000 + last : place_in(first_of_stage, key, 500);
}

/// The list that `pipeline` is, or has.
Piece* stages_of(Piece& pipeline) {
  if (pipeline.is_list()) return &pipeline;
  if (pipeline.is_map())
    for (Piece& member : pipeline.inner)
      if (*member.key == "stages" && member.is_list()) return &member;
  return nullptr;
}

void sort_pipeline(Piece& pipeline) {
  if (pipeline.is_map()) sort_by(pipeline.inner, [](auto& key) { return key == "stages" ? 1 : 0; });
  if (Piece* stages = stages_of(pipeline))
    for (Piece& stage : stages->inner)
      if (stage.is_map()) sort_by(stage.inner, place_in_stage);
}

void mark_stages(Piece& root) {
  for (Piece& section : root.inner)
    if (*section.key == "pipeline")
      if (Piece* stages = stages_of(section)) stages->stages = true;
}

void sort_file(Piece& root) {
  sort_by(root.inner, [](auto& key) { return place_in(of_file, key, 1000); });
  for (Piece& section : root.inner) {
    if (*section.key == "layers") sort_items(section);
    if (*section.key == "pipeline") sort_pipeline(section);
    if (*section.key != "blocks" || !section.is_map()) continue;
    for (Piece& block : section.inner) {
      if (!block.is_map()) continue;
      sort_by(block.inner, [](auto& key) { return place_in(of_block, key, 1000); });
      for (Piece& member : block.inner)
        if (*member.key == "layers") sort_items(member);
    }
  }
}

// ---- entries and their comments

class Reader {
 public:
  Reader(const std::string& text, const Node& root) : text_(text), lines_(text), root_(root) {}

  Piece read() {
    Piece top = entry(nullptr, root_, root_.place);
    top.head.clear();
    for (const Comment& comment : find_comments(text_, root_)) attach(comment, top);
    return top;
  }
  bool has_anchors() const { return anchors_; }
  /// Comments below everything else.
  const std::vector<std::string>& foot() const { return foot_; }

 private:
  Piece entry(const std::string* key, const Node& node, const Place& begin) {
    Piece made{key, &node};
    made.line = begin.line;
    made.last = std::max(begin.line, node.place.line);
    const size_t at = lines_.offset(node.place);
    // A mapping begins where its first key does, and the anchor is the key's then.
    const bool own = node.members.empty() || lines_.offset(node.members.front().place) != at;
    const std::string word = text_.substr(at, text_.find_first_of(" \t\r\n,]}", at) - at);
    if (word.starts_with('*')) made.alias = word;
    if (word.starts_with('&') && own) made.anchor = word;
    anchors_ |= word.starts_with('*') || word.starts_with('&');
    if (!made.alias.empty()) return made;
    made.literal = node.is_scalar() && fits_literal(node.text);
    for (const Node& item : node.items) made.inner.push_back(entry(nullptr, item, item.place));
    for (const Member& member : node.members)
      made.inner.push_back(entry(&member.key, member.value, member.place));
    for (const Piece& inner : made.inner) made.last = std::max(made.last, inner.last);
    return made;
  }

  /// The first of these that reaches to the line, or below it.
  static auto reaching(std::vector<Piece>& entries, int line) {
    return std::partition_point(entries.begin(), entries.end(),
                                [line](const Piece& entry) { return entry.last < line; });
  }

  /// The first entry that begins below the line; of those that begin together the outermost.
  static Piece* below(Piece& around, int line) {
    for (auto inner = reaching(around.inner, line); inner != around.inner.end(); ++inner) {
      if (inner->line > line) return &*inner;
      if (Piece* found = below(*inner, line)) return found;
    }
    return nullptr;
  }

  /// The outermost entry that is all of the line, else the last one that begins there or above.
  static Piece* beside(Piece& around, int line) {
    auto inner = reaching(around.inner, line);
    Piece* last = inner == around.inner.begin() ? nullptr : &*std::prev(inner);
    for (; inner != around.inner.end() && inner->line <= line; ++inner) {
      last = &*inner;
      if (last->line == line && last->last == line) return last;
    }
    Piece* deeper = last ? beside(*last, line) : nullptr;
    return deeper ? deeper : last;
  }

  void attach(const Comment& comment, Piece& top) {
    Piece* owner = comment.alone ? nullptr : beside(top, comment.line);
    if (owner && owner->tail.empty()) {
      owner->tail = comment.text;
      return;
    }
    Piece* next = below(top, comment.line);
    auto& lines = next ? next->head : foot_;
    if (comment.text.empty() && !lines.empty() && lines.back().empty()) return;
    lines.push_back(comment.text);
  }

  const std::string& text_;
  Lines lines_;
  const Node& root_;
  std::vector<std::string> foot_;
  bool anchors_ = false;
};

// ---- printing

std::string joined(const std::string& a, const std::string& b) {
  return a + (a.empty() || b.empty() ? "" : " ") + b;
}

std::string on_a_line(const Piece& entry, bool flow);

/// `- {type: ReLU}` is `- ReLU`.
bool is_bare(const Piece& item) {
  if (!item.is_map() || item.inner.size() != 1 || !item.anchor.empty()) return false;
  const Piece& type = item.inner.front();
  return *type.key == "type" && type.node->is_scalar() && type.alias.empty() &&
         type.anchor.empty() && type.node->text.find('$') == std::string::npos;
}

std::string value_on_a_line(const Piece& entry, bool flow) {
  if (!entry.alias.empty()) return entry.alias;
  if (entry.node->is_null()) return joined(entry.anchor, "null");
  if (entry.node->is_scalar()) return joined(entry.anchor, spelled(*entry.node, flow));
  std::string out;
  for (const Piece& inner : entry.inner) out += (out.empty() ? "" : ", ") + on_a_line(inner, true);
  return joined(entry.anchor, entry.is_list() ? "[" + out + "]" : "{" + out + "}");
}

std::string on_a_line(const Piece& entry, bool flow) {
  std::string lead = entry.key ? spelled_key(*entry.key, flow) + ": " : "";
  return lead + value_on_a_line(entry, flow);
}

bool has_words(const std::vector<std::string>& lines) {
  return std::any_of(lines.begin(), lines.end(), [](auto& line) { return !line.empty(); });
}

/// Layers and stages.
bool holds_items(const Piece& entry) {
  return entry.stages || (entry.key && *entry.key == "layers" && entry.is_list());
}

/// Comments inside, and lists of layers or stages, need lines of their own.
bool needs_lines(const Piece& entry) {
  if (holds_items(entry)) return true;
  if (entry.literal) return true;
  return std::any_of(entry.inner.begin(), entry.inner.end(), [](const Piece& inner) {
    return has_words(inner.head) || !inner.tail.empty() || needs_lines(inner);
  });
}

struct Line {
  size_t indent;
  std::string text, tail = {};
};

class Printer {
 public:
  std::string print(Piece& root, const std::vector<std::string>& foot) {
    for (Piece& section : root.inner) {
      const bool spread = *section.key == "inputs" || *section.key == "data" ||
                          *section.key == "blocks" || *section.key == "layers";
      entry(section, 0, &section != &root.inner.front(), spread);
    }
    comments(foot, 0, true);
    while (!lines_.empty() && lines_.back().text.empty()) lines_.pop_back();
    std::string out;
    for (const Line& line : lines_) {
      std::string text = joined(line.text, line.tail.empty() ? "" : " " + line.tail);
      out += (text.empty() ? "" : std::string(line.indent, ' ') + text) + "\n";
    }
    return out;
  }

 private:
  void comments(const std::vector<std::string>& head, size_t indent, bool may_be_empty) {
    for (const std::string& line : head) {
      if (!line.empty() || may_be_empty) lines_.push_back({indent, line});
      may_be_empty = true;
    }
  }

  /// `above`: something stands above it in the same list or mapping.
  void entry(Piece& e, size_t indent, bool above, bool spread = false) {
    const bool wide = e.is_map() || e.is_list();
    const bool bare = !e.key && is_bare(e) && in_items_;
    const std::string lead = e.key ? spelled_key(*e.key, false) + ":" : "-";
    std::string line =
        lead + " " +
        (bare && !needs_lines(e) ? value_on_a_line(e.inner[0], false) : value_on_a_line(e, false));
    const bool fits = !needs_lines(e) && !(spread && wide) && indent + width(line) <= columns;
    if (fits || (wide && e.inner.empty()) || (!wide && !needs_lines(e))) {
      comments(e.head, indent, above);
      lines_.push_back({indent, line, e.tail});
    } else if (!wide) {
      comments(e.head, indent, above);
      literal(lead, e, indent);
    } else if (e.key || !e.anchor.empty()) {
      comments(e.head, indent, above);
      lines_.push_back({indent, joined(lead, e.anchor), e.tail});
      inner(e, indent + 2, spread);
    } else {
      item(e, indent, above);
    }
  }

  /// The first line of what is inside stands behind the dash; comments go above it.
  void item(Piece& e, size_t indent, bool above) {
    if (!e.tail.empty()) e.head.push_back(e.tail);
    for (std::string& line : e.inner.front().head)
      if (!line.empty()) e.head.push_back(std::move(line));
    e.inner.front().head.clear();
    comments(e.head, indent, above);
    const size_t first = lines_.size();
    inner(e, indent + 2, false);
    lines_[first].text = "- " + lines_[first].text;
    lines_[first].indent = indent;
  }

  void inner(Piece& e, size_t indent, bool spread) {
    const bool outer = in_items_;
    in_items_ = holds_items(e);
    for (Piece& entry : e.inner)
      this->entry(entry, indent, &entry != &e.inner.front(),
                  spread && e.key && (*e.key == "blocks"));
    in_items_ = outer;
  }

  void literal(const std::string& lead, const Piece& e, size_t indent) {
    std::string text = e.node->text, chomp = "-";
    if (text.ends_with('\n')) chomp = text.ends_with("\n\n") ? "+" : "";
    if (text.ends_with('\n')) text.pop_back();
    lines_.push_back({indent, joined(lead, joined(e.anchor, "|" + chomp)), e.tail});
    for (size_t at = 0; at <= text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      lines_.push_back({indent + 2, text.substr(at, end - at)});
      at = end + 1;
    }
  }

  static size_t width(const std::string& text) {
    return size_t(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  }

  std::vector<Line> lines_;
  bool in_items_ = false;
};

/// `- a: 1  # c` is about the item, which is all of the line.
void lift_tails(Piece& entry) {
  for (Piece& inner : entry.inner) lift_tails(inner);
  if (entry.key || entry.inner.size() != 1 || !entry.tail.empty()) return;
  Piece& only = entry.inner.front();
  if (!needs_lines(only)) std::swap(entry.tail, only.tail);
}

/// The line end of a text in the last line of a file belongs to the file.
void end_with_a_line(Piece& top) {
  Piece* last = &top;
  while (!last->inner.empty()) last = &last->inner.back();
  last->literal &= !last->node->text.ends_with('\n');
}

// ---- nothing may be lost

const Node& without_braces(const Node& node, bool in_layers) {
  const bool bare = in_layers && node.is_map() && node.members.size() == 1 &&
                    node.members[0].key == "type" && node.members[0].value.is_scalar();
  return bare ? node.members[0].value : node;
}

bool same(const Node& a, const Node& b, bool in_layers = false) {
  if (in_layers && a.kind != b.kind) return same(without_braces(a, true), without_braces(b, true));
  if (a.kind != b.kind || a.items.size() != b.items.size() || a.members.size() != b.members.size())
    return false;
  if (a.is_scalar()) return a.text == b.text && is_text(a) == is_text(b);
  for (size_t i = 0; i < a.items.size(); ++i)
    if (!same(a.items[i], b.items[i], true)) return false;
  for (const Member& member : a.members) {
    const Member* other = find_member(b, member.key);
    if (!other || !same(member.value, other->value)) return false;
  }
  return true;
}

std::vector<std::string> words_of(const std::string& text, const Node& root) {
  std::vector<std::string> words;
  for (const Comment& comment : find_comments(text, root))
    if (!comment.text.empty()) words.push_back(comment.text);
  std::sort(words.begin(), words.end());
  return words;
}

bool nothing_is_lost(const std::string& text, const Node& root, const std::string& printed) {
  Diagnostics found;
  Reading reading(found);
  Node again;
  return parse_yaml(reading, reading.add_source("", printed), again) && reading.errors == 0 &&
         same(root, again) && words_of(text, root) == words_of(printed, again);
}

std::optional<std::string> format(Reading& reading, std::string bytes, const std::string& name) {
  auto source = add_text(reading, name, std::move(bytes));
  Node root;
  if (!source || !parse_yaml(reading, *source, root)) return {};
  const Place top{*source, root.place.line, root.place.column, root.place.length};
  if (!root.is_map()) {
    reading.error("E0013", top, "expected `key: value` at the top of the file")
        .help("a file begins with `braid: 1`");
    return {};
  }
  if (!check_version({reading}, root) || reading.errors > 0) return {};
  const std::string& text = reading.sources[*source]->text;
  Reader reader(text, root);
  Piece entries = reader.read();
  // An alias must stand below its anchor.
  if (!reader.has_anchors()) sort_file(entries);
  mark_stages(entries);
  for (Piece& section : entries.inner) lift_tails(section);
  if (reader.foot().empty()) end_with_a_line(entries);
  std::string printed = Printer().print(entries, reader.foot());
  if (nothing_is_lost(text, root, printed)) return printed;
  reading.error("E0019", top, "this file has no canonical form that keeps all of it")
      .help("write it without anchors, tags and texts of several lines where they are not needed");
  return {};
}

}  // namespace
}  // namespace dsl

std::optional<std::string> format_text(std::string text, const std::string& name,
                                       Diagnostics& found) {
  dsl::Reading reading(found);
  std::optional<std::string> printed;
  try {
    printed = dsl::format(reading, std::move(text), name);
  } catch (const dsl::Stop&) {
  }
  reading.flush();
  return printed;
}

}  // namespace braid
