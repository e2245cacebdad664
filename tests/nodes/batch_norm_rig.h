// Runs a batch norm operation twice over the same numbers: by the f64 reference, and by the CPU
// kernels in a memory format and for an instruction set of choice.
//
//   Rig rig{.format = "aBcd16b", .isa = "avx2"};
//   auto y = rig.run("normalize", {x, m, weight, bias}, {{"relu", true}});
//   expect_close(y, reference("normalize", {x, m, weight, bias}, {{"relu", true}}), 1e-6);
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include <braid/core/random.h>

#include "support/kernels.h"

namespace braid::test {

/// Doubles in plain order. `dtype` is what the CPU kernel is given.
struct Doubles {
  std::vector<int64_t> dims;
  std::vector<double> data;
  DType dtype = DType::f32;

  int64_t size() const { return int64_t(data.size()); }
  double& operator[](int64_t i) { return data[size_t(i)]; }
  double operator[](int64_t i) const { return data[size_t(i)]; }
};

/// f32 values (kept as doubles), normal around `mean`.
inline Doubles random_array(std::vector<int64_t> dims, uint64_t key, double mean = 0,
                            double std = 1) {
  Doubles a{std::move(dims), {}};
  a.data.resize(size_t(storage_elements(a.dims, "")));
  for (int64_t i = 0; i < a.size(); ++i) a[i] = float(mean + std * normal(key, uint64_t(i)));
  return a;
}

inline std::vector<Doubles> blank_results(const std::string& op, const std::vector<Doubles>& in,
                                          const Dict& attrs) {
  std::vector<Type> types;
  for (auto& a : in) types.push_back({a.dtype, Shape(a.dims.begin(), a.dims.end())});
  std::vector<Doubles> out;
  for (auto& t : builtin().op(op)->infer(attrs, types)) {
    Doubles a{t.dims(0), {}, t.dtype};
    a.data.resize(size_t(storage_elements(a.dims, "")));
    out.push_back(std::move(a));
  }
  return out;
}

/// Index into blocked memory of element i of a plain tensor.
inline int64_t blocked_index(const std::vector<int64_t>& dims, int64_t block, int64_t i) {
  int64_t points = 1;
  for (size_t d = 2; d < dims.size(); ++d) points *= dims[d];
  const int64_t p = i % points, c = i / points % dims[1], n = i / points / dims[1];
  const int64_t blocks = (dims[1] + block - 1) / block;
  return ((n * blocks + c / block) * points + p) * block + c % block;
}

struct Rig {
  Format format = {};           ///< of activations
  std::string isa = {};         ///< "" = the best
  size_t misalign = 0;          ///< floats by which activations miss a 64-byte boundary
  std::vector<float> raw = {};  ///< what the last activation result was in memory

  std::vector<float> packed(const Doubles& a, const Format& f) const {
    std::vector<float> memory(size_t(storage_elements(a.dims, f)), 0.0f);
    const int64_t block = channel_block(f);
    for (int64_t i = 0; i < a.size(); ++i)
      memory[size_t(f.empty() ? i : blocked_index(a.dims, block, i))] = float(a[i]);
    return memory;
  }

  Doubles run(const std::string& op, const std::vector<Doubles>& in, const Dict& attrs = {}) {
    return run_all(op, in, attrs).at(0);
  }
  std::vector<Doubles> run_all(const std::string& op, const std::vector<Doubles>& in,
                               const Dict& attrs = {}) {
    const size_t x = op.find("reduce") != op.npos || op.find("dx") != op.npos ? 1 : 0;
    std::vector<Doubles> results = blank_results(op, in, attrs);
    auto format_of = [&](const Doubles& a) { return a.dims == in[x].dims ? format : Format{}; };
    Signature s{op, attrs};
    for (auto& a : in) s.in.push_back({a.dtype, a.dims, format_of(a)});
    for (auto& result : results) s.out.push_back({result.dtype, result.dims, ""});
    Offer offer = builtin().offer(s, {.kind = "cpu", .isa = isa}).value();
    EXPECT_EQ(offer.in_formats[x], format);

    // Every operand ends where its memory ends, so that a sanitizer sees one float too many.
    std::vector<std::unique_ptr<void, void (*)(void*)>> memory;
    auto place = [&](const void* from, size_t bytes, bool shift) {
      const size_t skip = shift ? misalign * sizeof(float) : 0;
      void* base = nullptr;
      if (posix_memalign(&base, 64, bytes + skip)) throw std::bad_alloc();
      memory.emplace_back(base, std::free);
      void* at = static_cast<char*>(base) + skip;
      if (from) std::memcpy(at, from, bytes);
      return at;
    };
    std::vector<void*> inputs;
    for (auto& a : in) {
      auto floats = packed(a, format_of(a));
      const bool wide = a.dtype == DType::f64;
      inputs.push_back(wide ? place(a.data.data(), a.data.size() * 8, false)
                            : place(floats.data(), floats.size() * 4, a.dims == in[x].dims));
    }
    std::vector<void*> outputs;
    auto elements = [&](size_t k) {
      return size_t(storage_elements(results[k].dims, offer.out_formats[k]));
    };
    for (size_t k = 0; k < results.size(); ++k) {
      const size_t bytes = elements(k) * size_of(results[k].dtype);
      outputs.push_back(place(nullptr, bytes, results[k].dims == in[x].dims));
      std::memset(outputs[k], 0xff, bytes);  // NaN: everything is written
    }
    void* workspace = place(nullptr, size_t(offer.workspace), false);
    std::memset(workspace, 0xff, size_t(offer.workspace));
    offer.bind()({.inputs = inputs.data(), .outputs = outputs.data(), .workspace = workspace});

    for (size_t k = 0; k < results.size(); ++k) {
      Doubles& result = results[k];
      if (result.dtype == DType::f64) {
        std::memcpy(result.data.data(), outputs[k], elements(k) * 8);
        continue;
      }
      const Format& out = offer.out_formats[k];
      const float* floats = static_cast<float*>(outputs[k]);
      raw.assign(floats, floats + elements(k));
      for (int64_t i = 0; i < result.size(); ++i)
        result[i] = floats[out.empty() ? i : blocked_index(result.dims, channel_block(out), i)];
    }
    return results;
  }
};

inline std::vector<Doubles> all_of_reference(const std::string& op, std::vector<Doubles> in,
                                             const Dict& attrs = {}) {
  std::vector<Doubles> results = blank_results(op, in, attrs);
  Signature s{op, attrs};
  std::vector<void*> inputs;
  for (auto& a : in) {
    s.in.push_back({DType::f64, a.dims});
    inputs.push_back(a.data.data());
  }
  std::vector<void*> outputs;
  for (auto& result : results) {
    s.out.push_back({DType::f64, result.dims});
    outputs.push_back(result.data.data());
  }
  builtin()
      .offer(s, {.kind = "reference"})
      .value()
      .bind()({.inputs = inputs.data(), .outputs = outputs.data()});
  return results;
}
inline Doubles reference(const std::string& op, std::vector<Doubles> in, const Dict& attrs = {}) {
  return all_of_reference(op, std::move(in), attrs).at(0);
}

/// max|a - b| <= tolerance * max|b|
inline void expect_close(const Doubles& a, const Doubles& b, double tolerance,
                         const std::string& what = {}) {
  ASSERT_EQ(a.data.size(), b.data.size()) << what;
  double most = 0, off = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(b[i]));
    off = std::abs(a[i] - b[i]) > off || std::isnan(a[i] - b[i]) ? std::abs(a[i] - b[i]) : off;
  }
  EXPECT_LE(off, tolerance * most) << what;
}

/// One row of [rows, C].
inline Doubles row_of(const Doubles& a, int64_t row) {
  const int64_t c = a.dims[1];
  return {{c}, {a.data.begin() + row * c, a.data.begin() + (row + 1) * c}, a.dtype};
}

/// A moments array from counts, means and M2s.
inline Doubles moments_array(std::vector<double> data) {
  const int64_t channels = int64_t(data.size()) / 3;
  return {{3, channels}, std::move(data), DType::f64};
}

}  // namespace braid::test
