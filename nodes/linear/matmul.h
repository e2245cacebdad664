// The operations of Linear: `matmul` (a, b[, bias]) and `column_sum`.
//
// matmul: a is [rows..., K], or [K, rows] with transpose_a; b is [K, M], or [M, K] with
// transpose_b. Leading dimensions of a beyond one are rows side by side ([N, L, K] gives
// [N, L, M]); with transpose_a both have them and they are contracted ([N, L, M] and [N, L, K]
// give [M, K]).
#pragma once
#include <braid/core/registry.h>

namespace braid {

/// A matmul as one product of matrices: y[rows, columns] = sum over `inner`.
struct MatmulSize {
  int64_t rows, inner, columns;
  bool transpose_a, transpose_b, bias;
};
MatmulSize matmul_size(const Signature& s);

void register_matmul(Registry& registry);
void register_product(Registry& registry);  ///< where oneDNN has only its gemm
void register_matmul_reference(Registry& registry);

}  // namespace braid
