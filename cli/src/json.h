// JSON of results. Private to the .cpp files that print some: json.hpp is slow to compile.
#pragma once
#include <string>

#include <braid/compiler/fold.h>
#include <nlohmann/json.hpp>

namespace braid::cli {

using Json = nlohmann::ordered_json;

/// One line. Names that are no UTF-8 lose the bytes that are none; NaN becomes null.
inline std::string line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// ["N", 16, 28, 28]
inline Json to_json(const Shape& shape) {
  Json out = Json::array();
  for (auto& dim : shape)
    if (dim.batched)
      out.push_back(to_string(dim));
    else
      out.push_back(dim.value);
  return out;
}

/// {"folded": [{"name", "into"}], "left": [{"name", "why"}]}
inline Json to_json(const FoldReport& report) {
  Json folded = Json::array(), left = Json::array();
  for (auto& f : report.folds) folded.push_back({{"name", f.norm}, {"into", f.layer}});
  for (auto& l : report.left) left.push_back({{"name", l.norm}, {"why", l.why}});
  return {{"folded", folded}, {"left", left}};
}

}  // namespace braid::cli
