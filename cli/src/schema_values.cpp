// The parts that the schema of a file is put together from.
#include <cmath>

#include <braid/dsl/read.h>

#include "output.h"
#include "schema.h"

namespace braid::cli {
namespace {

Schema json_of(const Attr& attr) {
  if (attr.is<bool>()) return attr.as_bool();
  if (attr.is<int64_t>()) return attr.as_int();
  if (attr.is<double>()) return attr.as_double();
  if (attr.is<std::string>()) return attr.as_text();
  if (attr.is_null()) return nullptr;
  Schema out = attr.is<Dict>() ? Schema::object() : Schema::array();
  if (attr.is<Dict>())
    for (auto& entry : attr.as_dict()) out[entry.key] = json_of(entry.value);
  else
    for (auto& item : attr.as_list()) out.push_back(json_of(item));
  return out;
}

/// 3 stays 3, not 3.0.
Schema number_of(double v) {
  return v == std::floor(v) && std::abs(v) < 1e15 ? Schema(int64_t(v)) : Schema(v);
}

Schema in_range(Schema schema, const ParamDef& param) {
  if (param.min > -1e300)
    schema[param.min_exclusive ? "exclusiveMinimum" : "minimum"] = number_of(param.min);
  if (param.max < 1e300)
    schema[param.max_exclusive ? "exclusiveMaximum" : "maximum"] = number_of(param.max);
  return schema;
}

Schema list_of_length(Schema item, int length) {
  Schema list = list_of(std::move(item));
  if (length > 0) list["minItems"] = list["maxItems"] = length;
  return list;
}

/// The forms that a value may have; none = any.
std::vector<Schema> forms_of(const ParamDef& param) {
  const Schema whole = in_range({{"type", "integer"}}, param);
  const Schema real = in_range({{"type", "number"}}, param);
  switch (param.kind) {
    case ParamKind::boolean:
      return {flag()};
    case ParamKind::integer:
      return {whole, named("size")};
    case ParamKind::number:
      return {real};
    case ParamKind::text:
      return {text()};
    case ParamKind::choice:
      return {one_of(param.choices)};
    case ParamKind::integers:
      return {whole, list_of_length(value(whole), param.length)};
    case ParamKind::numbers:
      return {list_of_length(value(real), param.length)};
    case ParamKind::any:
      return {};
  }
  return {};
}

std::string doc_of(const ParamDef& param) {
  std::string doc = param.doc;
  if (!param.fallback.is_null())
    doc += (doc.empty() ? "default " : "; default ") + to_string(param.fallback);
  if (!param.doubt.empty()) doc += "; doubtful from " + shortest(param.doubtful_from) + ": ";
  return doc + param.doubt;
}

}  // namespace

Schema text() { return {{"type", "string"}}; }
Schema number() { return {{"type", "number"}}; }
Schema flag() { return {{"type", "boolean"}}; }
Schema anything() { return Schema::object(); }

Schema described(Schema schema, const std::string& doc) {
  if (!doc.empty()) schema["description"] = doc;
  return schema;
}

Schema named(const std::string& definition) { return {{"$ref", "#/definitions/" + definition}}; }

Schema one_of(std::vector<std::string> words) { return {{"enum", std::move(words)}}; }

Schema integer(double least) { return {{"type", "integer"}, {"minimum", number_of(least)}}; }

Schema list_of(Schema item) { return {{"type", "array"}, {"items", std::move(item)}}; }

Schema value(Schema schema, const std::string& doc) {
  return described({{"anyOf", {std::move(schema), named("expression")}}}, doc);
}

Schema texts(const std::string& doc) {
  return described({{"anyOf", {text(), list_of(text())}}}, doc);
}

Schema of_param(const ParamDef& param) {
  Schema schema = Schema::object();
  auto forms = forms_of(param);
  if (!forms.empty()) {
    forms.push_back(named("expression"));
    if (param.optional) forms.push_back({{"type", "null"}});
    schema["anyOf"] = forms;
  }
  if (!param.fallback.is_null()) schema["default"] = json_of(param.fallback);
  return described(std::move(schema), doc_of(param));
}

Properties of_params(const std::vector<ParamDef>& params) {
  Properties properties;
  for (auto& param : params)
    properties.push_back(
        {param.name, of_param(param), param.fallback.is_null() && !param.optional});
  return properties;
}

Schema map_of(Schema value, const std::string& doc) {
  return described({{"type", "object"},
                    {"patternProperties", {{"^x-.", named("users")}}},
                    {"additionalProperties", std::move(value)}},
                   doc);
}

Schema object(const Properties& properties) {
  Schema schema = map_of(false);
  schema["properties"]["note"] = named("note");
  for (auto& [name, of, required] : properties) {
    schema["properties"][name] = of;
    if (required) schema["required"].push_back(name);
  }
  return schema;
}

Property type_of(const std::string& name, const std::string& doc) {
  return {"type", described({{"const", name}}, doc), true};
}

Schema typed(const std::vector<Choice>& choices, const std::string& doc) {
  Schema names = Schema::array(), docs = Schema::array(), rules = Schema::array();
  for (auto& [name, of, definition] : choices) {
    names.push_back(name);
    docs.push_back(first_sentence(of));
    rules.push_back(
        {{"if", {{"properties", {{"type", {{"const", name}}}}}, {"required", {"type"}}}},
         {"then", named(definition)}});
  }
  const Schema type = {
      {"anyOf", {{{"enum", names}, {"enumDescriptions", docs}}, named("expression")}}};
  return described({{"type", "object"},
                    {"properties", {{"type", type}}},
                    {"required", {"type"}},
                    {"allOf", rules}},
                   doc);
}

bool is_read(const std::string& text) {
  Diagnostics found;
  read_text("braid: 1\n" + text + "\n", "probe.yaml", {}, found);
  for (auto& d : found.all())
    if (d.code.starts_with("E08")) return false;  // "not in this version"
  return true;
}

Properties only_read(Properties properties, const std::string& before, const std::string& after) {
  std::erase_if(properties, [&](const Property& property) {
    return !is_read(before + property.name + ": {}" + after);
  });
  return properties;
}

}  // namespace braid::cli
