#include <algorithm>

#include <braid/core/error.h>

#include "embedding/ops.h"

namespace braid {
namespace {

void check(int64_t token, int64_t rows, int64_t at, const KernelArgs& a, int64_t each) {
  if (token >= 0 && token < rows) return;
  throw Error(Fault::data, "E0421",
              "token " + std::to_string(token) + " outside the table's rows 0.." +
                  std::to_string(rows - 1) + " (sample " +
                  std::to_string(a.first_sample + at / each) + " of the batch)");
}

int64_t tokens_each(const Operand& tokens) {
  return tokens.dims.empty() || tokens.dim(0) == 0 ? 1 : tokens.elements() / tokens.dim(0);
}

KernelBody look_up(const Signature& s) {
  const int64_t tokens = s.in[0].elements(), rows = s.in[1].dim(0), columns = s.in[1].dim(1);
  return [=, each = tokens_each(s.in[0])](const KernelArgs& a) {
    const int64_t* token = a.in<int64_t>(0);
    for (int64_t i = 0; i < tokens; ++i) {
      check(token[i], rows, i, a, each);
      std::copy_n(a.in<float>(1) + token[i] * columns, columns, a.out<float>(0) + i * columns);
    }
  };
}

// In the order of the tokens, whatever they are.
KernelBody gather(const Signature& s) {
  const int64_t tokens = s.in[0].elements(), rows = s.out[0].dim(0), columns = s.out[0].dim(1);
  return [=, each = tokens_each(s.in[0])](const KernelArgs& a) {
    const int64_t* token = a.in<int64_t>(0);
    float* dw = a.out<float>(0);
    std::fill_n(dw, rows * columns, 0.0f);
    for (int64_t i = 0; i < tokens; ++i) {
      check(token[i], rows, i, a, each);
      const float* g = a.in<float>(1) + i * columns;
      float* row = dw + token[i] * columns;
      for (int64_t k = 0; k < columns; ++k) row[k] += g[k];
    }
  };
}

}  // namespace

void register_embedding_kernels(Registry& registry) {
  registry.add(plain_kernel("embedding", "cpu", look_up));
  registry.add(plain_kernel("embedding_grad", "cpu", gather));
}

}  // namespace braid
