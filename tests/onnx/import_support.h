// ONNX cases and how they are run in Braid, for the tests of import.
#pragma once
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <onnx/onnx_pb.h>

#include <braid/dsl/read.h>
#include <braid/onnx/import.h>
#include <braid/runtime/session.h>

#include "onnx/samples.h"

namespace braid::test {

inline std::string bytes_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

inline Session open_imported(const Imported& net) {
  Diagnostics found;
  Model model = read_text(net.text, "net.yaml", {}, found);
  found.raise();
  // A network that works on no samples is run beside an input that has some.
  if (std::ranges::none_of(model.inputs, [](auto& input) { return input.type.batched(); }))
    model.inputs.push_back({"samples", {DType::f32, {N, 1}}});
  Session session(std::move(model));
  if (!net.weights.empty()) session.set_weights(net.weights);
  return session;
}

/// With samples where the network needs them beside its inputs.
inline std::map<std::string, Array> fed(const Session& session,
                                        std::map<std::string, Array> inputs) {
  auto& declared = session.model().inputs;
  if (std::ranges::any_of(declared, [](auto& input) { return input.name == "samples"; }))
    inputs["samples"] = Array::zeros(DType::f32, {1, 1});
  return inputs;
}

inline Array array_of(const onnx::TensorProto& t) {
  const std::vector<int64_t> dims(t.dims().begin(), t.dims().end());
  const bool raw = t.has_raw_data();
  auto fill = [&](auto zero, auto& data) {
    using T = decltype(zero);
    Array array = Array::zeros(dtype_of<T>(), dims);
    for (size_t i = 0; i < size_t(array.elements()); ++i)
      if (raw)
        std::memcpy(array.bytes.data() + i * sizeof(T), t.raw_data().data() + i * sizeof(T),
                    sizeof(T));
      else
        array.as<T>()[i] = T(data[int(i)]);
    return array;
  };
  switch (t.data_type()) {
    case onnx::TensorProto::FLOAT:
      return fill(0.0f, t.float_data());
    case onnx::TensorProto::INT64:
      return fill(int64_t(0), t.int64_data());
    case onnx::TensorProto::INT32:
      return fill(int32_t(0), t.int32_data());
    case onnx::TensorProto::UINT8:
      return fill(uint8_t(0), t.int32_data());
    case onnx::TensorProto::BOOL:
      return fill(false, t.int32_data());
    default:
      throw std::runtime_error("a type of tensors that the runner does not read");
  }
}

/// The largest distance of two floats beyond rounding, or infinity where arrays differ in kind.
inline double distance(const Array& a, const Array& b) {
  if (a.dtype != b.dtype || a.dims != b.dims) return INFINITY;
  if (a.dtype != DType::f32) return a.bytes == b.bytes ? 0 : INFINITY;
  double worst = 0;
  for (size_t i = 0; i < size_t(a.elements()); ++i) {
    const double x = a.as<float>()[i], y = b.as<float>()[i];
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double off = std::abs(x - y) / (1 + std::abs(y));
    worst = std::isnan(off) ? INFINITY : std::max(worst, off);
  }
  return worst;
}

}  // namespace braid::test
