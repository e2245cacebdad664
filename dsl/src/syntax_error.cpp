#include "syntax_error.h"

#include <algorithm>
#include <optional>

#include "reading.h"

namespace braid::dsl {
namespace {

struct Wording {
  const char* theirs;
  const char* code;
  const char* ours;
  const char* help;
};

constexpr Wording wordings[] = {
    {"the referenced anchor is not defined", "E0007", "this alias names nothing",
     "an anchor `&name` must stand above it; a pattern that begins with `*` needs quotes: "
     "'*.bias'"},
    {"alias not found after *", "E0007", "a `*` without a name",
     "a pattern that begins with `*` needs quotes: '*.bias'"},
    {"illegal map value", "E0017", "a second `:` where one value is expected",
     "put a value that contains `: ` in quotes, or check the indentation of this line"},
    {"illegal map key", "E0016", "a key cannot stand here", "check the indentation of this line"},
    {"illegal block entry", "E0016", "a list item cannot stand here",
     "begin a list on its own line, or write it as [a, b]"},
    {"illegal flow end", "E0015", "a closing bracket that nothing opened",
     "remove it, or look for a missing `:` or bracket before it"},
    {"illegal EOF in scalar", "E0015", "a quote that is never closed", ""},
    {"end of map flow not found", "E0015", "a `{` that is never closed", "or a comma is missing"},
    {"end of sequence flow not found", "E0015", "a `[` that is never closed",
     "or a comma is missing"},
    {"end of map not found", "E0016", "this does not continue the mapping above it",
     "check the indentation of this line, and whether a `:` is missing"},
    {"end of sequence not found", "E0016", "this does not continue the list above it",
     "check the indentation of this line, and whether a `-` is missing"},
    {"unknown token", "E0003", "a value cannot begin with this character",
     "put the value in quotes"},
    {"anchor not found after &", "E0003", "an `&` without a name",
     "put text that begins with `&` in quotes"},
};

const Wording* wording(const std::string& message) {
  for (const Wording& w : wordings)
    if (message == w.theirs) return &w;
  return nullptr;
}

std::string line_text(const Reading& reading, const Place& at) {
  return source_line(reading.mark(at));
}

/// The quote that opens the value which the parser was reading when the text ended.
Place opening_quote(const std::string& text, uint32_t source, size_t from) {
  size_t at = text.find_first_of("\"'", from);
  if (at == std::string::npos) return {source, 0, 0, 0};
  size_t line = size_t(std::count(text.begin(), text.begin() + ptrdiff_t(at), '\n'));
  size_t begin = at == 0 ? 0 : text.rfind('\n', at - 1);
  begin = begin == std::string::npos || at == 0 ? 0 : begin + 1;
  return {source, int(line) + 1, int(at - begin) + 1, 1};
}

/// A tab before the first character of the line, or of the one above it: yaml-cpp stumbles over
/// what follows.
std::optional<Place> indenting_tab(const Reading& reading, Place at) {
  for (int line = at.line; line >= std::max(1, at.line - 1); --line) {
    at.line = line;
    std::string typed = line_text(reading, at);
    size_t tab = typed.substr(0, typed.find_first_not_of(" \t")).find('\t');
    if (tab != std::string::npos) return Place{at.source, line, int(tab) + 1, 1};
  }
  return {};
}

/// Of a line that is indented like none above it: the first line below its parent, the nearest one
/// that is indented less.
std::optional<Place> first_sibling(const Reading& reading, const Place& at) {
  const size_t own = size_t(std::max(0, at.column - 1));
  Place first = at;
  for (Place above = at; above.line > 1;) {
    --above.line;
    std::string typed = line_text(reading, above);
    size_t indent = typed.find_first_not_of(" \r");
    if (indent == std::string::npos || typed[indent] == '#') continue;
    if (indent < own) break;
    first.line = above.line;
    first.column = int(indent) + 1;
  }
  return first.line < at.line ? std::optional(first) : std::nullopt;
}

/// Is nothing but a key before the `:` at this place?
bool is_first_colon(const Reading& reading, const Place& at) {
  std::string before = line_text(reading, at).substr(0, size_t(std::max(0, at.column - 1)));
  return before.find(':') == std::string::npos;
}

/// A key cannot stand here: the line above is no `key: value`, or this one is indented deeper.
void report_misplaced_key(Reading& reading, Place at) {
  Place above = at;
  std::string typed;
  while (typed.find_first_not_of(" \r") == std::string::npos && above.line > 1) {
    --above.line;
    typed = line_text(reading, above);
  }
  size_t first = typed.find_first_not_of(" \r");
  bool is_text = first != std::string::npos && typed[first] != '#' &&
                 typed.find(':') == std::string::npos && typed[first] != '-';
  if (is_text) {
    above.column = int(first) + 1;
    above.length = int(typed.find_last_not_of(" \r") + 1 - first);
    auto& error = reading.error("E0016", above, "this line is no `key: value`");
    size_t equals = typed.find(" = ");
    error.help(equals == std::string::npos ? "a `:` with a blank behind it stands between the two"
                                           : "write " + typed.substr(first, equals - first) + ": " +
                                                 typed.substr(equals + 3));
    return;
  }
  size_t indent = line_text(reading, at).find_first_not_of(" -");
  at.column = int(indent) + 1;
  reading.error("E0016", at, "this key belongs to nothing above it")
      .note(reading.mark(above), "the line above")
      .help("keys of one mapping begin in the same column; a `{` or a quote above may be open");
}

}  // namespace

void report_syntax(Reading& reading, uint32_t source, int line, int column,
                   const std::string& message, const SyntaxContext& context) {
  const std::string& text = reading.sources[source]->text;
  Place at{source, line + 1, column + 1, 1};
  if (auto tab = indenting_tab(reading, at)) {
    reading.error("E0014", *tab, "a tab indents this line").help("indent with spaces");
    return;
  }
  const Wording* known = wording(message);
  if (message == "illegal map value" && is_first_colon(reading, at))
    return report_misplaced_key(reading, at);
  bool unclosed = known && std::string_view(known->ours).ends_with("is never closed");
  if (message == "illegal EOF in scalar") {
    Place quote = opening_quote(text, source, context.last_end);
    if (quote.line > 0) at = quote;
  } else if (unclosed && context.open.line == at.line &&
             line_text(reading, at)[size_t(column)] == ':') {
    std::string typed = line_text(reading, at);
    size_t begin = typed.find_last_of(" ,{[", size_t(column) - 1) + 1;
    const std::string key = typed.substr(begin, size_t(column) - begin);
    at.column = int(begin) + 1;
    at.length = int(key.size());
    reading.error("E0018", at, "a comma is missing before '" + key + "'")
        .note(reading.mark(context.open), "in what is opened here")
        .help("write a comma before it");
    return;
  } else if (unclosed && context.open.line > 0) {
    at = context.open;
  }
  auto& error = reading.error(known ? known->code : "E0003", at, known ? known->ours : message);
  if (known && *known->help) error.help(known->help);
  bool continues = known && std::string_view(known->ours).starts_with("this does not continue");
  if (auto sibling = first_sibling(reading, at); continues && sibling)
    error.note(reading.mark(*sibling), "its neighbours begin here, in another column");
  if (context.long_quote.line > 0 && message != "illegal EOF in scalar")
    error.note(reading.mark(context.long_quote), "a quoted text spans lines, perhaps by mistake");
}

bool refuse_directives(Reading& reading, uint32_t source) {
  const std::string& text = reading.sources[source]->text;
  int line = 1;
  for (size_t begin = 0; begin < text.size(); ++line) {
    size_t end = std::min(text.find('\n', begin), text.size());
    size_t first = text.find_first_not_of(" \t\r", begin);
    if (text[begin] == '%') {
      reading
          .error("E0003", {source, line, 1, int(end - begin)},
                 "directives are not part of the language")
          .help("begin the file with `braid: 1`");
      return true;
    }
    if (first < end && text[first] != '#') return false;
    begin = end + 1;
  }
  return false;
}

}  // namespace braid::dsl
