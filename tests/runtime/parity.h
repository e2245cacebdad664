// What the parity tests share with tests/fixtures/make_parity.py: batches and weights drawn bit for
// bit as parity_files.py draws them, and the norm that tensors are compared by.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <braid/runtime/session.h>

namespace braid::test {

using Tensors = std::map<std::string, Array>;

inline std::string parity_folder() {
  return std::string(BRAID_SOURCE_DIR) + "/tests/fixtures/parity/";
}

/// Multiples of 2^-16 in [0, 1).
inline std::vector<double> draw(uint64_t stream, int64_t count) {
  std::vector<double> out;
  for (int64_t i = 1; i <= count; ++i) {
    uint64_t z = ((stream << 32) + uint64_t(i)) * 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    out.push_back(double((z ^ z >> 31) >> 48) / 65536);
  }
  return out;
}

enum Stream : uint64_t { kImages = 0, kLabels = 1 << 20, kTemplates = 2 << 20, kWeights = 3 << 20 };

inline std::vector<int64_t> labels(uint64_t batch, int64_t count, int64_t classes) {
  std::vector<int64_t> out;
  for (double u : draw(kLabels + batch, count)) out.push_back(int64_t(u * 65536) % classes);
  return out;
}

inline std::vector<float> images(uint64_t batch, int64_t count, int64_t pixels) {
  auto templates = draw(kTemplates, 10 * pixels), noise = draw(kImages + batch, count * pixels);
  auto classes = labels(batch, count, 10);
  std::vector<float> out;
  for (int64_t i = 0; i < count * pixels; ++i) {
    int64_t in_template = classes[size_t(i / pixels)] * pixels + i % pixels;
    out.push_back(float((templates[size_t(in_template)] + noise[size_t(i)]) / 2));
  }
  return out;
}

/// One weight or statistic; `index` is its key's place among the sorted keys.
inline Array drawn(const std::string& key, const Array& like, uint64_t index) {
  if (like.dtype != DType::f32) return Array::zeros(like.dtype, like.dims);
  double centre = 0.5, scale = 1;
  if (like.dims.size() > 1) {
    int64_t fan_in = like.elements() / like.dims[0], halvings = 0;
    while (int64_t{4} << (2 * halvings) <= fan_in) ++halvings;
    scale = std::ldexp(2.0, -int(halvings));
  } else if (!key.ends_with(".bias") && !key.ends_with("running_mean")) {
    centre = -0.5;
  }
  auto values = draw(kWeights + index, like.elements());
  auto out = Array::zeros(DType::f32, like.dims);
  for (size_t i = 0; i < values.size(); ++i)
    out.as<float>()[i] = float((values[i] - centre) * scale);
  return out;
}

/// A state for every key that the session's training program has: drawn weights, no momentum yet.
inline Tensors drawn_state(Session& session) {
  session.plan(Mode::train, session.model().batch.global);
  Tensors out = session.state().all();
  uint64_t index = 0;
  for (auto& [key, array] : session.state().weights()) out[key] = drawn(key, array, index++);
  for (auto& [key, array] : out)
    if (key.starts_with("optimizer.")) array = Array::zeros(array.dtype, array.dims);
  return out;
}

inline std::vector<double> to_doubles(const Array& array) {
  std::vector<double> out;
  if (array.dtype == DType::f64)
    for (double v : array.as<double>()) out.push_back(v);
  else
    for (float v : array.as<float>()) out.push_back(double(v));
  return out;
}

/// What the fixtures keep of a tensor.
inline std::vector<double> thin(const Array& array) {
  size_t count = size_t(array.elements()), stride = count > 10000 ? 97 : count > 200 ? 3 : 1;
  std::vector<double> all = to_doubles(array), out;
  for (size_t i = 0; i < count; i += stride) out.push_back(all[i]);
  return out;
}

struct Distance {
  double apart = 0, largest = 0;
};

inline Distance distance(const std::vector<double>& got, const std::vector<double>& want) {
  EXPECT_EQ(got.size(), want.size());
  Distance d;
  for (size_t i = 0; i < want.size() && i < got.size(); ++i) {
    double apart = std::abs(got[i] - want[i]);
    d.apart = std::isnan(apart) ? INFINITY : std::max(d.apart, apart);
    d.largest = std::max(d.largest, std::abs(want[i]));
  }
  return d;
}

/// The rule for one step: at most twice PyTorch f32's own error, and 1e-6 of the largest element.
/// "" or what is wrong.
inline std::string worse(const std::vector<double>& got, const std::vector<double>& want,
                         double torch_error, const std::string& what) {
  auto [apart, largest] = distance(got, want);
  if (apart <= (2 * torch_error + 1e-6) * largest) return "";
  return what + ": " + std::to_string(apart / largest * 1e6) +
         "e-6 of the largest element off; PyTorch in f32 itself " +
         std::to_string(torch_error * 1e6) + "e-6\n";
}

inline void expect_as_good(const std::vector<double>& got, const std::vector<double>& want,
                           double torch_error, const std::string& what) {
  EXPECT_EQ(worse(got, want, torch_error, what), "");
}

/// The i-th entry of a stack of tensors.
inline Array entry(const Array& stack, int64_t i) {
  Array out = Array::zeros(stack.dtype, {stack.dims.begin() + 1, stack.dims.end()});
  std::copy_n(stack.bytes.begin() + i * int64_t(out.bytes.size()), out.bytes.size(),
              out.bytes.begin());
  return out;
}

inline double number(const Array& array) { return to_doubles(array).at(0); }

}  // namespace braid::test
