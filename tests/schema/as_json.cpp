// YAML files as JSON, one a line, their scalars read by the language's own rules: what a validator
// of JSON is given. Files that cannot be read as YAML are left out.
#include <cstdio>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "reading.h"
#include "scalar.h"

namespace braid::dsl {
namespace {

using Json = nlohmann::json;

Json scalar(const Node& node) {
  if (node.quoted) return node.text;
  const Attr value = read_plain(node.text).value;
  if (value.is<bool>()) return value.as_bool();
  if (value.is<int64_t>()) return value.as_int();
  if (value.is<double>()) return value.as_double();
  return node.text;
}

Json as_json(const Node& node) {
  if (node.is_scalar()) return scalar(node);
  Json out;
  if (node.is_list()) out = Json::array();
  if (node.is_map()) out = Json::object();
  for (auto& item : node.items) out.push_back(as_json(item));
  for (auto& member : node.members) out[member.key] = as_json(member.value);
  return out;
}

std::string line_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  Diagnostics found;
  Reading reading(found);
  Node root;
  if (!parse_yaml(reading, reading.add_source(path, text.str()), root) || reading.errors) return "";
  return Json({{"path", path}, {"value", as_json(root)}})
             .dump(-1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

}  // namespace
}  // namespace braid::dsl

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) std::fputs(braid::dsl::line_of(argv[i]).c_str(), stdout);
}
