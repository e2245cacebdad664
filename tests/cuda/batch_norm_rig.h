// Operations of batch norm on CUDA, in every memory format and dtype, beside the f64 reference.
// Numbers are in plain order everywhere.
#pragma once
#include "cuda/trial.h"

namespace braid::test {

struct Value {
  Operand operand;
  Numbers numbers;
};

/// Channels-last, for activations of this rank.
inline Format channels_last(size_t rank) {
  return rank == 3 ? "acb" : rank == 4 ? "acdb" : rank == 5 ? "acdeb" : "";
}

/// Where element i of a plain tensor is in memory.
inline size_t place(const Operand& o, size_t i) {
  if (o.format.empty()) return i;
  size_t points = 1;
  for (size_t d = 2; d < o.dims.size(); ++d) points *= size_t(o.dims[d]);
  const size_t channels = size_t(o.dims[1]), c = i / points % channels;
  return (i / points / channels * points + i % points) * channels + c;
}

inline TensorPtr stored(const Value& v) {
  auto t = std::make_shared<Tensor>(v.operand);
  Numbers memory(v.numbers.size());
  for (size_t i = 0; i < memory.size(); ++i) memory[place(v.operand, i)] = v.numbers[i];
  t->assign(memory);
  return t;
}
inline Value value_of(const Tensor& t) {
  const Numbers memory = t.numbers();
  Value v{t.operand, Numbers(memory.size())};
  for (size_t i = 0; i < memory.size(); ++i) v.numbers[i] = memory[place(t.operand, i)];
  return v;
}

/// What memory of this dtype makes of normal numbers.
inline Value random_value(Operand o, uint64_t key, double mean = 0, double std = 1) {
  Value v{std::move(o), {}};
  const int64_t n = v.operand.elements();
  for (int64_t i = 0; i < n; ++i)
    v.numbers.push_back(double(float(mean + std * normal(key, uint64_t(i)))));
  return value_of(*stored(v));
}

inline std::vector<Operand> results_of(const std::string& op, const std::vector<Value>& in,
                                       const Dict& attrs) {
  std::vector<Type> types;
  for (auto& v : in)
    types.push_back({v.operand.dtype, Shape(v.operand.dims.begin(), v.operand.dims.end())});
  std::vector<Operand> results;
  for (auto& t : builtin().op(op)->infer(attrs, types)) {
    Operand o{t.dtype, t.dims(0)};
    for (auto& v : in)
      if (v.operand.dims == o.dims && v.operand.dims.size() > 2) o.format = v.operand.format;
    results.push_back(std::move(o));
  }
  return results;
}

inline std::vector<Value> all_exact(const std::string& op, const std::vector<Value>& in,
                                    const Dict& attrs = {}) {
  OpCall call(op, {}, {}, attrs);
  call.device = "reference";
  std::vector<Numbers> numbers;
  std::vector<void*> ins;
  for (auto& v : in) {
    call.signature.in.push_back({DType::f64, v.operand.dims});
    numbers.push_back(v.numbers);
  }
  for (auto& n : numbers) ins.push_back(n.data());
  std::vector<Value> out;
  for (auto& o : results_of(op, in, attrs)) {
    out.push_back({{DType::f64, o.dims}, Numbers(size_t(o.elements()))});
    call.signature.out.push_back(out.back().operand);
  }
  std::vector<void*> outs;
  for (auto& v : out) outs.push_back(v.numbers.data());
  call.run(ins, outs);
  return out;
}
inline Value exact(const std::string& op, const std::vector<Value>& in, const Dict& attrs = {}) {
  return all_exact(op, in, attrs).at(0);
}

struct OnCuda {
  std::vector<Value> out;               ///< the first result of each part
  std::vector<std::vector<Value>> all;  ///< all of them
  std::vector<int64_t> status;
};

/// One launch for all parts, and one for each, which have to give the same bits.
inline OnCuda on_cuda(const std::string& op, const std::vector<std::vector<Value>>& parts,
                      const Dict& attrs = {}) {
  auto run = [&](bool gang, std::vector<int64_t>& status) {
    std::vector<CudaPart> all;
    for (auto& in : parts) {
      CudaPart part;
      for (auto& v : in) part.in.push_back(stored(v));
      for (auto& o : results_of(op, in, attrs)) part.out.push_back(std::make_shared<Tensor>(o));
      all.push_back(part);
    }
    auto done = rig().run(op, all, attrs, gang);
    EXPECT_EQ(done.ganged, gang) << op;
    status = done.status;
    return all;
  };
  OnCuda made;
  std::vector<int64_t> alone;
  auto ganged = run(true, made.status), single = run(false, alone);
  EXPECT_EQ(made.status, alone) << op;
  for (size_t i = 0; i < parts.size(); ++i) {
    made.all.emplace_back();
    for (size_t k = 0; k < ganged[i].out.size(); ++k) {
      EXPECT_TRUE(same_bytes(*ganged[i].out[k], *single[i].out[k]))
          << op << ": part " << i << " depends on its company";
      made.all[i].push_back(value_of(*ganged[i].out[k]));
    }
    made.out.push_back(made.all[i][0]);
  }
  return made;
}
inline Value on_cuda(const std::string& op, const std::vector<Value>& in, const Dict& attrs = {}) {
  return on_cuda(op, std::vector<std::vector<Value>>{in}, attrs).out[0];
}

/// max|a - b| <= tolerance · max|b|, with a floor for what is zero but for rounding.
inline void expect_close(const Numbers& a, const Numbers& b, double tolerance,
                         const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  double most = 0, off = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(b[i]));
    off = std::abs(a[i] - b[i]) > off || std::isnan(a[i] - b[i]) ? std::abs(a[i] - b[i]) : off;
  }
  EXPECT_LE(off, tolerance * std::max(most, 0.01)) << what;
}

inline Numbers row(const Value& v, int64_t row) {
  const int64_t n = v.operand.dims[1];
  return {v.numbers.begin() + row * n, v.numbers.begin() + (row + 1) * n};
}

}  // namespace braid::test
