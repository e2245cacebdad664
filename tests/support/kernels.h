// Calls a single operation through the registry, as the executor would: asks for an offer, binds it
// and runs it over plain vectors.
//
//   OpCall call("relu", {{DType::f32, {2, 3}}}, {{DType::f32, {2, 3}}});
//   std::vector<float> x = ..., y(6);
//   call.run({x.data()}, {y.data()});
#pragma once
#include <gtest/gtest.h>

#include <vector>

#include "support/builtin.h"

namespace braid::test {

struct OpCall {
  Signature signature;
  std::string device = "cpu";
  Scalars scalars = {};
  int64_t first_sample = 0;

  OpCall(std::string op, std::vector<Operand> in, std::vector<Operand> out, Dict attrs = {})
      : signature{std::move(op), std::move(attrs), std::move(in), std::move(out)} {}

  Offer offer() const {
    auto found = builtin().offer(signature, {.kind = device});
    if (!found) throw std::runtime_error("no kernel offers " + signature.op);
    return *found;
  }

  void run(std::vector<void*> in, std::vector<void*> out) const {
    Offer chosen = offer();
    for (size_t i = 0; i < in.size(); ++i)
      if (chosen.in_formats.at(i) != signature.in[i].format)
        throw std::runtime_error(signature.op + " wants another format");
    std::vector<char> workspace(size_t(chosen.workspace) + 64);
    void* aligned = workspace.data() + (64 - reinterpret_cast<uintptr_t>(workspace.data()) % 64);
    chosen.bind()({.inputs = in.data(),
                   .outputs = out.data(),
                   .workspace = aligned,
                   .scalars = &scalars,
                   .first_sample = first_sample});
  }
};

}  // namespace braid::test
