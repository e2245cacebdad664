// One operation on CUDA against the f64 reference: several slices of unlike sizes, ganged and one
// launch each, which have to give the same bits.
//
//   Trial{.op = "softmax", .attrs = {{"dim", 1}},
//         .in = {{DType::f32, {N, 1000}}}, .out = {{DType::f32, {N, 1000}}}}.check({1, 5, 3});
#pragma once
#include <gtest/gtest.h>

#include <cmath>

#include <braid/core/random.h>
#include <braid/core/type.h>

#include "cuda/rig.h"
#include "support/kernels.h"

namespace braid::test {

inline TensorPtr tensor(DType dtype, std::vector<int64_t> dims, const Numbers& numbers = {}) {
  auto t = std::make_shared<Tensor>(Operand{dtype, std::move(dims)});
  if (!numbers.empty()) t->assign(numbers);
  return t;
}

inline bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

struct Trial {
  std::string op;
  Dict attrs = {};
  std::vector<Type> in, out;
  int64_t classes = 10;      ///< of i64 inputs
  double from = -3, to = 3;  ///< of floating ones
  double tolerance = 1e-5;   ///< of the largest number of a tensor

  void check(const std::vector<int64_t>& sizes) const {
    auto ganged = parts(sizes), single = parts(sizes);
    auto done = rig().run(op, ganged, attrs);
    EXPECT_TRUE(done.ganged) << op;
    EXPECT_EQ(done.status, std::vector<int64_t>(sizes.size())) << op;
    rig().run(op, single, attrs, false);
    for (size_t i = 0; i < sizes.size(); ++i) {
      auto judge = reference(ganged[i]);
      for (size_t k = 0; k < out.size(); ++k) {
        expect_near(ganged[i].out[k]->numbers(), judge[k]->numbers(), i, k);
        EXPECT_TRUE(same_bytes(*ganged[i].out[k], *single[i].out[k]))
            << op << ": output " << k << " of part " << i << " depends on its company";
      }
    }
  }

  std::vector<CudaPart> parts(const std::vector<int64_t>& sizes) const {
    std::vector<CudaPart> made;
    int64_t first = 0;
    for (int64_t n : sizes) {
      CudaPart part{.scalars = {.lr = 0.1, .step = 2, .seed = 7}, .first_sample = first};
      first += n;
      for (size_t k = 0; k < in.size(); ++k) {
        part.in.push_back(tensor(in[k].dtype, in[k].dims(n)));
        part.in.back()->assign(numbers(in[k], in[k].elements(n), uint64_t(first) * 16 + k));
      }
      for (auto& type : out) part.out.push_back(tensor(type.dtype, type.dims(n)));
      made.push_back(std::move(part));
    }
    return made;
  }

  Numbers numbers(const Type& type, int64_t count, uint64_t key) const {
    Numbers made;
    for (uint64_t i = 0; i < uint64_t(count); ++i)
      made.push_back(type.dtype == DType::i64
                         ? double(uniform_below(key, i, uint64_t(classes)))
                         : double(float(from + (to - from) * uniform(key, i))));
    return made;
  }

  /// The outputs, in f64.
  std::vector<TensorPtr> reference(const CudaPart& part) const {
    auto exact = [](const TensorPtr& t) {
      Operand o = t->operand;
      if (o.dtype == DType::f32) o.dtype = DType::f64;
      return std::make_shared<Tensor>(o);
    };
    std::vector<TensorPtr> from, made;
    OpCall call(op, {}, {}, attrs);
    call.device = "reference", call.scalars = part.scalars, call.first_sample = part.first_sample;
    std::vector<void*> ins, outs;
    for (auto& t : part.in) {
      from.push_back(exact(t));
      from.back()->assign(t->numbers());
      ins.push_back(from.back()->data());
      call.signature.in.push_back(from.back()->operand);
    }
    for (auto& t : part.out) {
      made.push_back(exact(t));
      outs.push_back(made.back()->data());
      call.signature.out.push_back(made.back()->operand);
    }
    call.run(ins, outs);
    return made;
  }

  void expect_near(const Numbers& got, const Numbers& want, size_t part, size_t output) const {
    double most = 0;
    for (double v : want) most = std::max(most, std::abs(v));
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_LE(std::abs(got[i] - want[i]), tolerance * most + 1e-15)
          << op << ": output " << output << " of part " << part << " at " << i << ": " << got[i]
          << ", not " << want[i];
  }
};

}  // namespace braid::test
