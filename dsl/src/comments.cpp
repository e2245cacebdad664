#include "comments.h"

#include <algorithm>

namespace braid::dsl {
namespace {

/// Bytes in which a `#` is none.
struct Range {
  size_t begin, end;
};

size_t end_of_quoted(const std::string& text, size_t begin) {
  const char quote = text[begin];
  size_t at = begin + 1;
  while (at < text.size()) {
    if (quote == '"' && text[at] == '\\') {
      at += 2;
    } else if (text[at] != quote) {
      ++at;
    } else if (quote == '\'' && at + 1 < text.size() && text[at + 1] == quote) {
      at += 2;
    } else {
      return at + 1;
    }
  }
  return text.size();
}

/// Behind the last line of a block scalar whose `|` or `>` stands at `begin`. Its lines are those
/// that are indented like the first, and empty ones between them.
Range block_of(const std::string& text, size_t begin) {
  const size_t first = std::min(text.find('\n', begin), text.size());
  size_t end = first, indent = 0;
  for (size_t at = first; at < text.size();) {
    const size_t line = at + 1, next = std::min(text.find('\n', line), text.size());
    const size_t word = std::min(text.find_first_not_of(" \r", line), next);
    if (word < next && indent == 0) indent = word - line;
    if (word < next && (indent == 0 || word - line < indent)) break;
    if (word < next) end = next;
    at = next;
  }
  return {first, end};
}

class Scanner {
 public:
  explicit Scanner(const std::string& text) : text_(text), lines_(text) {}

  void visit(const Node& node) {
    if (node.is_scalar()) scalar(node.place);
    for (const Node& item : node.items) visit(item);
    for (const Member& member : node.members) {
      scalar(member.place);
      visit(member.value);
    }
  }

  std::vector<Comment> scan() {
    std::sort(ranges_.begin(), ranges_.end(),
              [](const Range& a, const Range& b) { return a.begin < b.begin; });
    cut_ranges();
    std::vector<Comment> found;
    size_t next = 0;
    for (int n = 1; n <= int(lines_.count()); ++n) {
      const std::string_view line = lines_.line(n);
      const size_t begin = lines_.offset({0, n, 1, 0});
      const size_t word = line.find_first_not_of(" \t");
      if (word == line.npos) {
        if (!inside(begin, next)) found.push_back({n, true, ""});
        continue;
      }
      for (size_t at = word; at < line.size(); ++at) {
        if (inside(begin + at, next)) {
          at = std::min(ranges_[next].end - begin, line.size()) - 1;
        } else if (line[at] == '#' && (at == word || line[at - 1] == ' ' || line[at - 1] == '\t')) {
          found.push_back({n, at == word, trimmed(line.substr(at))});
          break;
        }
      }
    }
    return found;
  }

 private:
  /// Moves on to the range that ends behind `at`.
  bool inside(size_t at, size_t& next) const {
    while (next < ranges_.size() && ranges_[next].end <= at) ++next;
    return next < ranges_.size() && ranges_[next].begin <= at;
  }

  /// A block without lines has none of what follows it.
  void cut_ranges() {
    std::sort(starts_.begin(), starts_.end());
    for (Range& range : ranges_) {
      auto after = std::lower_bound(starts_.begin(), starts_.end(), range.begin);
      if (after == starts_.end() || *after >= range.end || *after == range.begin) continue;
      range.end = text_.rfind('\n', *after);
    }
  }

  static std::string trimmed(std::string_view comment) {
    return std::string(comment.substr(0, comment.find_last_not_of(" \t") + 1));
  }

  void scalar(const Place& place) {
    size_t at = lines_.offset(place);
    if (at < text_.size() && text_[at] == '&')  // behind the anchor
      at = text_.find_first_not_of(" \t\r\n",
                                   std::min(text_.find_first_of(" \n", at), text_.size()));
    if (at >= text_.size()) return;
    starts_.push_back(at);
    if (text_[at] == '"' || text_[at] == '\'') ranges_.push_back({at, end_of_quoted(text_, at)});
    if (text_[at] == '|' || text_[at] == '>') ranges_.push_back(block_of(text_, at));
  }

  const std::string& text_;
  Lines lines_;
  std::vector<Range> ranges_;
  std::vector<size_t> starts_;
};

}  // namespace

Lines::Lines(const std::string& text) : text_(text), begins_{0} {
  for (size_t at = 0; (at = text.find('\n', at)) != text.npos;) begins_.push_back(++at);
  if (begins_.back() == text.size()) begins_.pop_back();
}

size_t Lines::offset(const Place& place) const {
  const size_t line = size_t(std::max(place.line, 1)) - 1;
  if (line >= begins_.size()) return text_.size();
  return std::min(begins_[line] + size_t(std::max(place.column, 1)) - 1, text_.size());
}

std::string_view Lines::line(int number) const {
  const size_t begin = begins_[size_t(number) - 1];
  std::string_view line = std::string_view(text_).substr(begin);
  line = line.substr(0, line.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::vector<Comment> find_comments(const std::string& text, const Node& root) {
  Scanner scanner(text);
  scanner.visit(root);
  return scanner.scan();
}

}  // namespace braid::dsl
