#include "syntax_error.h"

#include <algorithm>

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
    {"illegal map value", "E0003", "a second `:` where one value is expected",
     "put a value that contains `: ` in quotes, or check the indentation of this line"},
    {"illegal map key", "E0003", "a key cannot stand here", "check the indentation of this line"},
    {"illegal block entry", "E0003", "a list item cannot stand here",
     "begin a list on its own line, or write it as [a, b]"},
    {"illegal flow end", "E0003", "a closing bracket that nothing opened", ""},
    {"illegal EOF in scalar", "E0003", "a quote that is never closed", ""},
    {"end of map flow not found", "E0003", "a `{` that is never closed", "or a comma is missing"},
    {"end of sequence flow not found", "E0003", "a `[` that is never closed",
     "or a comma is missing"},
    {"end of map not found", "E0003", "this does not continue the mapping above it",
     "check the indentation of this line, and whether a `:` is missing"},
    {"end of sequence not found", "E0003", "this does not continue the list above it",
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

}  // namespace

void report_syntax(Reading& reading, uint32_t source, int line, int column,
                   const std::string& message, const SyntaxContext& context) {
  const std::string& text = reading.sources[source]->text;
  Place at{source, line + 1, column + 1, 1};
  const Wording* known = wording(message);
  bool unclosed = known && std::string_view(known->ours).ends_with("is never closed");
  if (message == "illegal EOF in scalar") {
    Place quote = opening_quote(text, source, context.last_end);
    if (quote.line > 0) at = quote;
  } else if (unclosed && context.open.line > 0) {
    at = context.open;
  }
  auto& error = reading.error(known ? known->code : "E0003", at, known ? known->ours : message);
  std::string typed = line_text(reading, at);
  size_t indent = typed.find_first_not_of(" \t");
  bool tab = typed.substr(0, indent).find('\t') != std::string::npos;
  if (tab)
    error.help("a tab indents this line; indent with spaces");
  else if (known && *known->help)
    error.help(known->help);
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
