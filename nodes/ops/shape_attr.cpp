#include "ops/shape_attr.h"

#include <charconv>

#include <braid/core/error.h>

namespace braid {

Attr to_attr(const Shape& shape) {
  Attr::List list;
  for (const Dim& dim : shape) {
    if (!dim.batched)
      list.push_back(dim.value);
    else
      list.push_back(dim.value == 1 ? "N" : std::to_string(dim.value) + "*N");
  }
  return list;
}

std::optional<Dim> parse_dim(const Attr& attr) {
  if (attr.is<int64_t>()) return Dim(attr.as_int());
  if (!attr.is<std::string>()) return std::nullopt;
  const std::string& text = attr.as_text();
  if (text == "N") return N;
  int64_t factor = 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), factor);
  if (problem != std::errc() || factor < 1 || std::string_view(end) != "*N") return std::nullopt;
  return Dim(factor, true);
}

Shape shape_of(const Attr& attr) {
  Shape shape;
  for (const Attr& dim : attr.as_list()) {
    auto parsed = parse_dim(dim);
    ensure(parsed.has_value(), "an operation's shape attribute is malformed");
    shape.push_back(*parsed);
  }
  return shape;
}

}  // namespace braid
