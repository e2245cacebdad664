#include "pipeline/builtin.h"

#include <filesystem>

#include <fmt/format.h>

namespace braid {
namespace builtin {

std::string path_in(const Model& model, const std::string& typed) {
  return (std::filesystem::path(model.folder) / typed).string();
}

Array text(std::string_view value) {
  Array array{DType::u8, {int64_t(value.size())}, {}};
  const auto bytes = std::as_bytes(std::span(value));
  array.bytes.assign(bytes.begin(), bytes.end());
  return array;
}

bool is_text(const Array& value) { return value.dtype == DType::u8 && value.dims.size() == 1; }

std::string text_of(const Array& value) {
  return {reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()};
}

const Array& field(const Record& item, const std::string& name) {
  if (auto found = item.find(name); found != item.end()) return found->second;
  std::vector<std::string> known;
  for (auto& [key, value] : item) known.push_back(key);
  throw Error(Fault::run, "E0463",
              fmt::format("the item has no field '{}'{}", name, did_you_mean(name, known)))
      .help(known.empty() ? "it has none" : "it has " + listed(known));
}

void refuse(const Record& item, const std::string& name, const std::string& wanted) {
  throw Error(
      Fault::run, "E0463",
      fmt::format("field '{}' is {}, {} is wanted", name, to_string(item.at(name)), wanted));
}

std::vector<double> numbers_of(const Record& item, const std::string& name) {
  const Array& value = field(item, name);
  auto as = [&](auto type) {
    auto elements = value.as<decltype(type)>();
    return std::vector<double>(elements.begin(), elements.end());
  };
  switch (value.dtype) {
    case DType::f32:
      return as(float());
    case DType::f64:
      return as(double());
    case DType::i64:
      return as(int64_t());
    case DType::i32:
      return as(int32_t());
    case DType::u8:
      return as(uint8_t());
    case DType::boolean:
      return as(bool());
    default:
      refuse(item, name, "f32, f64, an integer or bool");
  }
}

std::string text_or_none(const Dict& params, const char* name) {
  const Attr* value = find(params, name);
  return value && value->is<std::string>() ? value->as_text() : "";
}

ParamDef text_param(std::string name, std::string doc, Attr fallback, bool optional) {
  return {.name = std::move(name),
          .kind = ParamKind::text,
          .doc = std::move(doc),
          .fallback = std::move(fallback),
          .optional = optional};
}

}  // namespace builtin

Stages builtin_stages(const Model& model) {
  auto shared = std::make_shared<const Model>(model);
  Stages stages;
  builtin::add_files(stages, shared);
  builtin::add_tables(stages, shared);
  builtin::add_pictures(stages);
  builtin::add_numbers(stages);
  builtin::add_sinks(stages, shared);
  return stages;
}

}  // namespace braid
