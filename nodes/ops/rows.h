// A tensor seen as rows along one dimension, [outer, count, inner]: what softmax and the losses
// over classes walk.
#pragma once
#include <cstdint>
#include <vector>

namespace braid {

struct Rows {
  int64_t outer = 1, count = 1, inner = 1;

  int64_t size() const { return outer * count * inner; }
  /// Index of the first element of row (o, i); its elements stand `inner` apart.
  int64_t first(int64_t o, int64_t i) const { return o * count * inner + i; }
};
Rows rows_of(const std::vector<int64_t>& dims, size_t dim);

/// The largest of `count` elements that stand `stride` apart; a NaN wins.
float max_of(const float* x, int64_t count, int64_t stride);

/// e = exp(x - max of its row), elementwise.
void shifted_exp(const Rows& rows, const float* x, float* e);

}  // namespace braid
