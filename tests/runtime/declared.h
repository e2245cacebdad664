// Declarations as the reader of YAML would hand them over, and what tests do with data sources.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <braid/core/model.h>
#include <braid/runtime/data.h>

namespace braid::test {

inline void mark_all(Dict& dict, const Mark& mark) {
  for (Entry& entry : dict) {
    entry.mark = entry.value.mark = mark;
    if (auto* inner = std::get_if<Dict>(&entry.value.value)) mark_all(*inner, mark);
  }
}

/// With everything at net.yaml:1:1.
inline TypedDict declared(std::string type, Dict params = {}) {
  Mark mark{std::make_shared<Source>(Source{"net.yaml", {}}), 1, 1};
  mark_all(params, mark);
  return {std::move(type), std::move(params), mark, mark};
}

/// The faults of a declaration, one per line.
inline std::string faults_of(const TypedDict& data, std::span<const InputDecl> inputs) {
  Diagnostics found;
  check_data(data, inputs, found);
  std::string text;
  for (const Diagnostic& fault : found.all()) {
    text += to_string(fault.mark) + ": " + fault.code + ": " + fault.message + "\n";
  }
  return text;
}

template <class T>
std::vector<T> filled(const DataSource& source, size_t input, std::vector<int64_t> samples) {
  size_t bytes = samples.size() * size_t(source.bytes_per_sample(input));
  std::vector<T> values(bytes / sizeof(T));
  source.fill(samples, input, values.data());
  return values;
}

}  // namespace braid::test
