// What the built-in callables share: fields of records, and where files are.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <braid/runtime/builtin_stages.h>

namespace braid::builtin {

using SharedModel = std::shared_ptr<const Model>;

void add_files(Stages& stages, const SharedModel& model);  ///< sources
void add_tables(Stages& stages, const SharedModel& model);
void add_pictures(Stages& stages);  ///< maps
void add_numbers(Stages& stages);
void add_sinks(Stages& stages, const SharedModel& model);

std::string path_in(const Model& model, const std::string& typed);

Array text(std::string_view value);
template <class T>
Array single(T value) {
  return Array::of<T>({}, std::span<const T>(&value, 1));
}
bool is_text(const Array& value);
std::string text_of(const Array& value);

/// Throws E0463, which lists what there is.
const Array& field(const Record& item, const std::string& name);
/// Throws E0463: the field is not what `wanted` says.
[[noreturn]] void refuse(const Record& item, const std::string& name, const std::string& wanted);
/// The elements of a field of any dtype but f16 and bf16, which are refused.
std::vector<double> numbers_of(const Record& item, const std::string& name);

/// Of an optional parameter: "" where it is not given.
std::string text_or_none(const Dict& params, const char* name);

ParamDef text_param(std::string name, std::string doc, Attr fallback = {}, bool optional = false);

}  // namespace braid::builtin
