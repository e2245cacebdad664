#include "libonnx/import/inputs.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <braid/core/error.h>

namespace braid::onnx_import {
namespace {

/// As Braid says that every sample has several rows: "3*N".
Dim rows(const onnx::TensorShapeProto::Dimension& dim) {
  int64_t each = 0;
  const std::string& text = dim.dim_param();
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), each);
  const bool said =
      wrong == std::errc() && std::string_view(end, text.data() + text.size()) == "*N";
  return said && each > 0 && each < (1 << 20) ? Dim(each, true) : N;
}

}  // namespace

DType dtype_of(int type, const std::string& who) {
  switch (type) {
    case onnx::TensorProto::FLOAT:
      return DType::f32;
    case onnx::TensorProto::INT64:
      return DType::i64;
    case onnx::TensorProto::INT32:
      return DType::i32;
    case onnx::TensorProto::UINT8:
      return DType::u8;
    case onnx::TensorProto::BOOL:
      return DType::boolean;
    default:
      throw Error(Fault::data, "E0372",
                  who + " has a type of elements that Braid does not compute with")
          .help("f32, i64, i32, u8 and bool");
  }
}

const onnx::TensorShapeProto* shape_of(const onnx::ValueInfoProto& value) {
  if (!value.type().has_tensor_type()) return nullptr;
  auto& tensor = value.type().tensor_type();
  return tensor.has_shape() ? &tensor.shape() : nullptr;
}

Inputs::Inputs(const onnx::GraphProto& graph) {
  std::set<std::string> weights;
  for (auto& tensor : graph.initializer()) weights.insert(tensor.name());
  for (auto& input : graph.input())
    if (!weights.contains(input.name())) inputs_.push_back(&input);
}

std::vector<Plan> Inputs::plans(bool batched) const {
  const size_t count = inputs_.size();
  std::vector<bool> opened(count, false);
  int64_t batch = 0;
  for (size_t k = 0; k < count; ++k) {
    auto* shape = shape_of(*inputs_[k]);
    if (!shape)
      throw Error(Fault::data, "E0372",
                  "the input '" + inputs_[k]->name() + "' has no shape in the file");
    if (!shape->dim_size()) continue;
    opened[k] = open(shape->dim(0));
    if (!opened[k] && !batch) batch = shape->dim(0).dim_value();
  }
  if (!batched) return {{std::vector<bool>(count, false), 0}};
  if (std::ranges::find(opened, true) != opened.end()) return {{opened, 0}};
  std::vector<bool> all(count, false), one(count, false);
  for (size_t k = 0; k < count; ++k) {
    auto* shape = shape_of(*inputs_[k]);
    all[k] = shape->dim_size() && shape->dim(0).dim_value() == batch;
    one[k] = all[k] && std::ranges::find(one, true) == one.end();
  }
  return {{all, batch}, {one, batch}};
}

std::string Inputs::free_name(const onnx::TensorShapeProto& shape, int d) {
  std::string given = shape.dim(d).dim_param();
  const bool legal =
      !given.empty() && given.size() <= 7 && given != "N" && given[0] >= 'A' && given[0] <= 'Z' &&
      std::ranges::all_of(given, [](unsigned char c) { return std::isalnum(c) || c == '_'; });
  if (legal) return given;
  const std::string key =
      given.empty() ? std::to_string(shape.dim_size()) + ":" + std::to_string(d) : given;
  auto known = free_names_.find(key);
  if (known != free_names_.end()) return known->second;
  static const char* const usual[] = {"L", "D", "H", "W"};
  std::string name = shape.dim_size() == 4 && d >= 2   ? usual[d]
                     : shape.dim_size() == 3 && d == 1 ? "L"
                                                       : "";
  auto used = [&](const std::string& n) {
    return std::ranges::any_of(free_names_, [&](auto& entry) { return entry.second == n; });
  };
  for (int k = 1; name.empty() || used(name); ++k) name = "L" + std::to_string(k);
  return free_names_[key] = name;
}

Type Inputs::type(size_t k, bool batched, bool second, int64_t least) {
  const auto& input = *inputs_.at(k);
  auto& shape = *shape_of(input);
  Type type{dtype_of(input.type().tensor_type().elem_type(), "the input '" + input.name() + "'"),
            {}};
  for (int d = 0; d < shape.dim_size(); ++d) {
    if (d == 0 && batched) {
      type.shape.push_back(rows(shape.dim(0)));
    } else if (!open(shape.dim(d))) {
      type.shape.push_back(shape.dim(d).dim_value());
    } else {
      const std::string name = free_name(shape, d);
      auto found = std::ranges::find(frees_, name, &Free::name);
      if (found == frees_.end()) {
        const auto n = int64_t(frees_.size());
        frees_.push_back({name, least * (1 + n), least * 2 + least / 2 * (3 + n * (n + 2))});
        found = frees_.end() - 1;
      }
      type.shape.push_back(Dim::free(name, second ? found->two : found->one));
    }
  }
  return type;
}

}  // namespace braid::onnx_import
