// One page: its text and style, a layout library and the pictures as JSON, nothing else. What the
// page is made of lies in page/ and becomes part of the library.
#include "page.inc"
#include "sketch.h"

namespace braid {
namespace {

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (auto part : parts) text += part;
  return text;
}

void replace(std::string& text, std::string_view what, std::string_view by) {
  text.replace(text.find(what), what.size(), by);
}

// Within a script element, JSON may hold no "<" (of "</script>" or "<!--").
std::string embedded(const std::string& json) {
  std::string out;
  out.reserve(json.size());
  for (char c : json)
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  return out;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text)
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else
      out += c;
  return out;
}

}  // namespace

std::string to_html(const std::vector<Picture>& pictures) {
  std::string text = joined(page_page_html);
  // From the end: what is put in never stands before what is still sought.
  replace(text, "{{script}}", joined(page_script_js));
  replace(text, "{{layout}}", joined(page_dagre_min_js));
  replace(text, "{{graph}}", embedded(to_json(pictures)));
  replace(text, "{{style}}", joined(page_style_css));
  replace(text, "{{title}}", escaped(pictures.empty() ? "braid" : pictures[0].title));
  return text;
}

std::string graph_schema() { return joined(page_graph_schema_json); }

}  // namespace braid
