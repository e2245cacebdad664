#include "syntax_error.h"

#include <algorithm>
#include <optional>

#include "comments.h"
#include "reading.h"

namespace braid::dsl {
namespace {

struct Wording {
  const char* problem;
  const char* context;  // how libyaml's begins
  const char* code;
  const char* ours;
  const char* help;
  bool at_start = false;  // the place is what was begun, not where that failed
};

constexpr const char* never_closed = "a quote that is never closed";
constexpr const char* no_tags = "tags are not part of the language";
constexpr const char* plain_text = "put text that begins with `!` in quotes";
constexpr const char* backslash = "write `\\\\` for a backslash, or use single quotes";

constexpr Wording wordings[] = {
    {"did not find expected alphabetic or numeric character", "while scanning an alias", "E0007",
     "this alias names nothing",
     "an anchor `&name` must stand above it; a pattern that begins with `*` needs quotes: "
     "'*.bias'",
     true},
    {"did not find expected alphabetic or numeric character", "while scanning an anchor", "E0003",
     "an `&` without a name",
     "a name has letters, digits, `-` and `_`; put text that begins with `&` in quotes", true},
    {"mapping values are not allowed in this context", "", "E0017",
     "a second `:` where one value is expected",
     "put a value that contains `: ` in quotes, or check the indentation of this line"},
    {"mapping keys are not allowed in this context", "", "E0016", "a key cannot stand here",
     "check the indentation of this line"},
    {"block sequence entries are not allowed in this context", "", "E0016",
     "a list item cannot stand here", "begin a list on its own line, or write it as [a, b]"},
    {"found unexpected end of stream", "while scanning a quoted scalar", "E0015", never_closed, "",
     true},
    {"found unexpected document indicator", "while scanning a quoted scalar", "E0015", never_closed,
     "", true},
    {"did not find expected key", "", "E0016", "this does not continue the mapping above it",
     "check the indentation of this line, and whether a `:` is missing"},
    {"did not find expected '-' indicator", "", "E0016", "this does not continue the list above it",
     "check the indentation of this line, and whether a `-` is missing"},
    {"did not find expected <document start>", "", "E0004", "text after the end of the document",
     "a file holds exactly one document, and its top level is a mapping `key: value`"},
    {"found character that cannot start any token", "", "E0003",
     "a value cannot begin with this character", "put the value in quotes"},
    {"did not find expected node content", "", "E0003", "a value cannot begin with this character",
     "put the value in quotes"},
    {"found unexpected ':'", "", "E0003", "a `:` cannot stand here",
     "a colon needs a blank after it: `key: value`; put text that contains one in quotes"},
    {"found unknown escape character", "", "E0003", "an escape that double quotes do not know",
     backslash},
    {"did not find expected hexdecimal number", "", "E0003",
     "an escape without its hexadecimal digits", backslash},
    {"found invalid Unicode character escape code", "", "E0003",
     "an escape that is no character of Unicode", backslash},
    {"did not find expected comment or line break", "while scanning a block scalar", "E0003",
     "nothing stands behind `|` and `>` on their line",
     "begin the text on the next line, or put it in quotes"},
    {"found an indentation indicator equal to 0", "", "E0003", "an indentation of 0",
     "leave the number out"},
    {"found a tab character", "", "E0014", "a tab indents this line", "indent with spaces"},
    {"", "while scanning a tag", "E0008", no_tags, plain_text, true},
    {"", "while parsing a tag", "E0008", no_tags, plain_text, true},
    {"found undefined tag handle", "", "E0008", no_tags, plain_text, true},
    {"", "while scanning a directive", "E0003", "directives are not part of the language",
     "put a line that begins with `%` in quotes", true},
};

const Wording* wording(const SyntaxError& error) {
  for (const Wording& w : wordings)
    if (error.problem.starts_with(w.problem) && error.context.starts_with(w.context)) return &w;
  return nullptr;
}

/// The text of a line, "" behind the last one.
std::string_view line_of(const Lines& lines, int number) {
  return number <= int(lines.count()) ? lines.line(number) : std::string_view();
}

/// A tab before the first character of the line, or of the one above it: libyaml stumbles over
/// what follows.
std::optional<Place> indenting_tab(const Lines& lines, Place at) {
  for (int line = at.line; line >= std::max(1, at.line - 1); --line) {
    at.line = line;
    std::string_view typed = line_of(lines, at.line);
    size_t tab = typed.substr(0, typed.find_first_not_of(" \t")).find('\t');
    if (tab != std::string::npos) return Place{at.source, line, int(tab) + 1, 1};
  }
  return {};
}

/// Of a line that is indented like none above it: the first line below its parent, the nearest one
/// that is indented less.
std::optional<Place> first_sibling(const Lines& lines, const Place& at) {
  const size_t own = size_t(std::max(0, at.column - 1));
  Place first = at;
  for (Place above = at; above.line > 1;) {
    --above.line;
    std::string_view typed = line_of(lines, above.line);
    size_t indent = typed.find_first_not_of(" \r");
    if (indent == std::string::npos || typed[indent] == '#') continue;
    if (indent < own) break;
    first.line = above.line;
    first.column = int(indent) + 1;
  }
  return first.line < at.line ? std::optional(first) : std::nullopt;
}

/// Is nothing but a key before the `:` at this place?
bool is_first_colon(const Lines& lines, const Place& at) {
  std::string_view before = line_of(lines, at.line).substr(0, size_t(std::max(0, at.column - 1)));
  return before.find(':') == std::string::npos;
}

/// A line without a colon, in the column where a key is expected.
void report_no_pair(Reading& reading, const Lines& lines, Place at) {
  const std::string_view typed = line_of(lines, at.line);
  const size_t first = size_t(at.column - 1);
  const std::string pair(typed.substr(first, typed.find_last_not_of(" \r") + 1 - first));
  const bool in_brackets = pair.starts_with('{') || pair.starts_with('[');
  if (in_brackets && !pair.ends_with('}') && !pair.ends_with(']')) {
    reading.error("E0015", at, "a `" + pair.substr(0, 1) + "` that is never closed");
    return;
  }
  at.length = int(pair.size());
  auto& error = reading.error("E0016", at, "this line is no `key: value`");
  const size_t equals = pair.find(" = ");
  if (in_brackets)
    error.help("check the indentation of this line, and whether a `-` is missing");
  else if (equals != pair.npos)
    error.help("write " + pair.substr(0, equals) + ": " + pair.substr(equals + 3));
  else
    error.help("a `:` with a blank behind it stands between the two");
}

/// A key cannot stand here: the line above is no `key: value`, or this one is indented deeper.
void report_misplaced_key(Reading& reading, const Lines& lines, Place at) {
  Place above = at;
  std::string_view typed;
  while (typed.find_first_not_of(" \r") == std::string::npos && above.line > 1) {
    --above.line;
    typed = line_of(lines, above.line);
  }
  size_t first = typed.find_first_not_of(" \r");
  bool is_text = first != std::string::npos && typed[first] != '#' &&
                 typed.find(':') == std::string::npos && typed[first] != '-';
  if (is_text) {
    above.column = int(first) + 1;
    return report_no_pair(reading, lines, above);
  }
  size_t indent = line_of(lines, at.line).find_first_not_of(" -");
  at.column = int(indent) + 1;
  reading.error("E0016", at, "this key belongs to nothing above it")
      .note(reading.mark(above), "the line above")
      .help("keys of one mapping begin in the same column; a `{` or a quote above may be open");
}

/// The second colon in `{type: Linear out_features: 4}` stands at this place.
void report_second_colon(Reading& reading, const Lines& lines, Place at, const Place& open) {
  const std::string_view typed = line_of(lines, at.line);
  const size_t colon = size_t(at.column - 1);
  const size_t begin = typed.find_last_of(" ,{[", colon - 1) + 1;
  const std::string key(typed.substr(begin, colon - begin));
  if (key.empty()) {
    reading.error("E0017", at, "a second `:` where one value is expected")
        .help("put a value that contains `: ` in quotes");
    return;
  }
  at.column = int(begin) + 1;
  at.length = int(key.size());
  reading.error("E0018", at, "a comma is missing before '" + key + "'")
      .note(reading.mark(open), "in what is opened here")
      .help("write a comma before it");
}

/// A colon without a key before it: `{a: 1, : 2}`.
bool lacks_key(const Lines& lines, const Place& colon) {
  const std::string_view before = line_of(lines, colon.line).substr(0, size_t(colon.column - 1));
  const size_t last = before.find_last_not_of(' ');
  return last == before.npos ||
         std::string_view(",[{-").find(before[last]) != std::string_view::npos;
}

bool is_separator(const std::string& text, size_t at) {
  return at >= text.size() || std::string_view(" \t\r\n,[]{}").find(text[at]) != text.npos;
}

void note_long_quote(const Reading& reading, Diagnostic& said, const SyntaxContext& context) {
  if (context.long_quote.line > 0)
    said.note(reading.mark(context.long_quote), "a quoted text spans lines, perhaps by mistake");
}

}  // namespace

void report_syntax(Reading& reading, uint32_t source, const SyntaxError& error,
                   const SyntaxContext& context) {
  const std::string& text = reading.sources[source]->text;
  const Lines lines(text);
  auto place = [&](const Position& p) { return Place{source, p.line, p.column, 1}; };
  Place at = place(error.at);
  if (auto tab = indenting_tab(lines, at)) {
    reading.error("E0014", *tab, "a tab indents this line").help("indent with spaces");
    return;
  }
  const char found = error.at.byte < text.size() ? text[error.at.byte] : '\0';
  if (error.problem == "could not find expected ':'")
    return report_no_pair(reading, lines, place(error.since));
  if (error.problem.starts_with("mapping values are not") && is_first_colon(lines, at))
    return report_misplaced_key(reading, lines, at);
  const bool in_flow = error.context.starts_with("while parsing a flow");
  const bool expected = error.problem.starts_with("did not find expected");
  if (expected && (found == ']' || found == '}')) {
    auto& closing = reading.error("E0015", at, "a closing bracket that nothing opened");
    if (in_flow) closing.note(reading.mark(context.open), "what is open here");
    closing.help("remove it, or look for a missing `:` or bracket before it");
    return;
  }
  if (in_flow && expected && found == ',') {
    reading.error("E0003", at, "nothing stands before this comma").help("remove it");
    return;
  }
  if (expected && found == ':' && lacks_key(lines, at)) {
    reading.error("E0010", at, "a key must be a word, this is empty");
    return;
  }
  if (in_flow && expected && found == ':' && context.open.line == at.line)
    return report_second_colon(reading, lines, at, context.open);
  if (in_flow && expected) {
    const std::string what = std::string("a `") + context.bracket + "` that is never closed";
    auto& opened = reading.error("E0015", context.open, what);
    if (found != '\0' && at.line > context.open.line) opened.note(reading.mark(at), "noticed here");
    opened.help("or a comma is missing");
    return note_long_quote(reading, opened, context);
  }
  if (error.context == "while scanning an alias" && is_separator(text, error.since.byte + 1)) {
    reading.error("E0007", place(error.since), "a `*` without a name")
        .help("a pattern that begins with `*` needs quotes: '*.bias'");
    return;
  }
  const Wording* known = wording(error);
  if (known && known->at_start) at = place(error.since);
  auto& said = known ? reading.error(known->code, at, known->ours)
                     : reading.error("E0003", at, std::string(error.problem));
  if (known && *known->help) said.help(known->help);
  const bool continues = error.context.starts_with("while parsing a block") && error.since.line > 0;
  if (auto sibling = continues ? first_sibling(lines, at) : std::nullopt)
    said.note(reading.mark(*sibling), "its neighbours begin here, in another column");
  if (!known || known->ours != never_closed) note_long_quote(reading, said, context);
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
