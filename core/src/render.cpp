// Diagnostics as text for people and as JSON for programs.
#include <algorithm>

#include <braid/core/error.h>

namespace braid {
namespace {

constexpr size_t widest_excerpt = 120;  // bytes of a source line that are shown
constexpr size_t longest_chain = 8;     // blocks inside blocks that are listed

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

/// The code point at `at`, whose bytes are known to be UTF-8 (or harmless garbage).
char32_t code_point(std::string_view text, size_t at) {
  unsigned char c = static_cast<unsigned char>(text[at]);
  int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;
  char32_t point = more ? c & (0x3F >> more) : c;
  for (int i = 1; i <= more && at + i < text.size(); ++i)
    point = point << 6 | (text[at + i] & 0x3F);
  return point;
}

/// Columns that a terminal gives to a code point: 0, 1 or 2.
int columns_of(char32_t c) {
  if (c >= 0x300 && c <= 0x36F) return 0;  // combining accents
  if (c == 0x200B || c == 0x200D || (c >= 0xFE00 && c <= 0xFE0F)) return 0;
  bool wide = (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) ||
              (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF) ||
              (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
              (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD);
  return wide ? 2 : 1;
}

/// What stands under `text` in the caret line: `fill` per column, tabs kept so that both align.
std::string under(std::string_view text, char fill) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (continues(text[i])) continue;
    if (text[i] == '\t' && fill == ' ')
      out += '\t';
    else
      out.append(size_t(columns_of(code_point(text, i))), fill);
  }
  return out;
}

/// Keeps an escape sequence in a file from reaching the terminal.
std::string printable(std::string text) {
  for (char& c : text) {
    unsigned char u = static_cast<unsigned char>(c);
    if ((u < 0x20 && c != '\t') || u == 0x7F) c = '?';
  }
  return text;
}

/// A window of a long line around the marked bytes.
struct Excerpt {
  std::string text;
  size_t begin, length;  // of the marked bytes within text
};

Excerpt excerpt(const std::string& line, const Mark& mark) {
  size_t at = std::min(line.size(), size_t(std::max(0, mark.column - 1)));
  size_t length = std::min(line.size() - at, size_t(std::max(1, mark.length)));
  if (line.size() <= widest_excerpt) return {line, at, length};
  size_t from = at > widest_excerpt / 2 ? at - widest_excerpt / 2 : 0;
  from = std::min(from, line.size() - widest_excerpt);
  while (from > 0 && continues(line[from])) --from;
  size_t to = std::min(line.size(), from + widest_excerpt);
  while (to < line.size() && continues(line[to])) ++to;
  std::string left = from > 0 ? "..." : "", right = to < line.size() ? "..." : "";
  return {left + line.substr(from, to - from) + right, at - from + left.size(),
          std::min(length, to - at)};
}

std::string picture(const Mark& mark) {
  std::string line = source_line(mark);
  if (line.empty() || mark.column <= 0) return {};
  Excerpt shown = excerpt(line, mark);
  std::string number = std::to_string(mark.line);
  std::string gutter(number.size() < 5 ? 5 - number.size() : 0, ' ');
  std::string carets = under(std::string_view(shown.text).substr(shown.begin, shown.length), '^');
  return gutter + number + " | " + printable(shown.text) + "\n" +
         std::string(gutter.size() + number.size(), ' ') + " | " +
         under(std::string_view(shown.text).substr(0, shown.begin), ' ') +
         (carets.empty() ? "^" : carets) + "\n";
}

std::string place(const Mark& mark) {
  Mark line = mark;
  line.column = 0;
  return to_string(line);
}

/// `net.yaml:28 -> blocks/resnet.yaml:6 (block conv_bn)`: from what the user typed inwards.
std::string chain(const Mark& mark) {
  std::vector<std::string> steps;  // innermost first
  const Mark* here = &mark;
  for (const Frame* frame = mark.via.get(); frame; frame = here->via.get()) {
    steps.push_back(" -> " + place(*here) + " (" + frame->what + ")");
    here = &frame->at;
  }
  std::string text = place(*here);
  for (size_t i = steps.size(); i-- > 0;) {
    bool middle = steps.size() > longest_chain && i >= longest_chain / 2 &&
                  i < steps.size() - longest_chain / 2;
    if (!middle) text += steps[i];
    if (middle && i == longest_chain / 2) text += " -> ...";
  }
  return text;
}

std::string indented(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '\n' ? "\n         " : std::string(1, c);
  return out;
}

std::string escaped(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    unsigned char u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (u < 0x20) {
      constexpr const char* hex = "0123456789abcdef";
      out += std::string("\\u00") + hex[u >> 4] + hex[u & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string place_json(const Mark& mark) {
  if (!mark) return {};
  return ", \"file\": " + escaped(mark.source->name) + ", \"line\": " + std::to_string(mark.line) +
         ", \"column\": " + std::to_string(mark.column);
}

std::string via_json(const Mark& mark) {
  std::string out;
  for (const Frame* frame = mark.via.get(); frame; frame = frame->at.via.get())
    out += (out.empty() ? "" : ", ") + ("{\"what\": " + escaped(frame->what)) +
           place_json(frame->at) + "}";
  return out.empty() ? out : ", \"via\": [" + out + "]";
}

}  // namespace

std::string render(const Diagnostic& d) {
  std::string out = d.mark ? to_string(d.mark) + ": " : "";
  out += d.severity == Severity::error ? "error" : "warning";
  if (!d.code.empty()) out += "[" + d.code + "]";
  out += ": " + printable(d.message) + "\n" + picture(d.mark);
  if (d.mark.via) out += "   from " + printable(chain(d.mark)) + "\n";
  for (const Note& note : d.notes)
    out += "   " + printable(note.text) +
           (note.mark ? "   from " + printable(chain(note.mark)) : "") + "\n";
  if (!d.helps.empty()) out += "   help: " + indented(d.helps) + "\n";
  return out;
}

std::string to_json(const Diagnostic& d) {
  std::string out = "{\"severity\": ";
  out += d.severity == Severity::error ? "\"error\"" : "\"warning\"";
  out += ", \"code\": " + escaped(d.code) + ", \"message\": " + escaped(d.message);
  out += place_json(d.mark);
  if (d.mark) out += ", \"length\": " + std::to_string(d.mark.length);
  out += via_json(d.mark) + ", \"notes\": [";
  for (size_t i = 0; i < d.notes.size(); ++i)
    out += (i ? ", " : "") + ("{\"text\": " + escaped(d.notes[i].text)) +
           place_json(d.notes[i].mark) + via_json(d.notes[i].mark) + "}";
  return out + "], \"help\": " + escaped(d.helps) + "}";
}

}  // namespace braid
