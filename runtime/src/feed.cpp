#include "feed.h"

#include <algorithm>

namespace braid {

bool Feed::takes(DType declared, DType given) const {
  auto real = [](DType t) { return t == DType::f32 || t == DType::f64; };
  return declared == given || (wide_ && real(declared) && real(given));
}

const void* Feed::widen(std::span<const float> values, size_t index) {
  memory_.resize(std::max(memory_.size(), index + 1));
  memory_[index].assign(values.begin(), values.end());
  return memory_[index].data();
}

const void* Feed::pointer(const ConstView& array, size_t index) {
  if (wide_ && array.dtype == DType::f32)
    return widen({reinterpret_cast<const float*>(array.bytes.data()), array.bytes.size() / 4},
                 index);
  return array.bytes.data();
}

std::vector<const void*> Feed::widened(std::span<const InputDecl> declared,
                                       const std::vector<const void*>& inputs, int64_t batch) {
  auto out = inputs;
  for (size_t i = 0; wide_ && i < inputs.size(); ++i) {
    if (!inputs[i] || declared[i].type.dtype != DType::f32) continue;
    auto from = static_cast<const float*>(inputs[i]);
    out[i] = widen({from, size_t(declared[i].type.elements(batch))}, i);
  }
  return out;
}

std::vector<const void*> Feed::inputs(std::span<const InputDecl> declared, const ConstViews& arrays,
                                      int64_t& batch) {
  std::vector<std::string> names;
  for (auto& input : declared) names.push_back(input.name);
  for (auto& [name, array] : arrays)
    if (std::ranges::find(names, name) == names.end())
      throw Error(Fault::data, "E0351",
                  "the network has no input '" + name + "'" + did_you_mean(name, names));
  batch = -1;
  std::vector<const void*> out;
  for (auto& input : declared) {
    auto found = arrays.find(input.name);
    if (found == arrays.end()) {
      out.push_back(nullptr);
      continue;
    }
    auto& array = found->second;
    auto& shape = input.type.shape;
    bool fits = takes(input.type.dtype, array.dtype) && array.dims.size() == shape.size();
    if (fits && input.type.batched()) {
      int64_t n = array.dims[0] / shape[0].value;
      fits = n * shape[0].value == array.dims[0] && (batch < 0 || n == batch);
      if (fits) batch = n;
    }
    if (!fits || array.dims != input.type.dims(std::max<int64_t>(batch, 0)))
      throw Error(Fault::data, "E0352",
                  "input '" + input.name + "' is " + to_string(array) + ", the network wants " +
                      to_string(input.type) +
                      (batch > 0 ? " with N = " + std::to_string(batch) : ""),
                  input.mark);
    out.push_back(pointer(array, out.size()));
  }
  if (batch < 1) throw Error(Fault::data, "E0350", "no input with samples is given");
  return out;
}

void Feed::upstream(std::span<const InputDecl> declared, const ConstViews& arrays, int64_t batch,
                    std::vector<const void*>& out) {
  constexpr size_t prefix = std::string_view("grad:").size();
  std::vector<std::string> names;
  for (auto& seed : declared) names.push_back(seed.name.substr(prefix));
  for (auto& [name, array] : arrays)
    if (std::ranges::find(names, name) == names.end())
      throw Error(Fault::data, "E0390",
                  "an upstream gradient is given for '" + name +
                      "', which is no output of floating type" + did_you_mean(name, names))
          .help("name each output or layer that has one in `outputs`");
  for (size_t i = 0; i < declared.size(); ++i) {
    auto& type = declared[i].type;
    auto found = arrays.find(names[i]);
    if (found == arrays.end())
      throw Error(Fault::data, "E0391",
                  "the upstream gradient of output '" + names[i] + "' is missing")
          .help("give zeros, or name in `outputs` those that have one");
    auto& array = found->second;
    if (!takes(type.dtype, array.dtype) || array.dims != type.dims(batch))
      throw Error(Fault::data, "E0392",
                  "the upstream gradient of output '" + names[i] + "' is " + to_string(array) +
                      ", the output is " + to_string(type) + " with N = " + std::to_string(batch));
    out.push_back(pointer(array, out.size()));
  }
}

}  // namespace braid
