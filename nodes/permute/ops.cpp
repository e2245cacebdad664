#include "permute/ops.h"

#include <algorithm>

#include "einsum/ops.h"
#include "ops/reshaped.h"

namespace braid {

int permute(Builder& b, int x, const std::vector<size_t>& order) {
  const Shape from = b.type(x).shape;
  std::vector<size_t> larger;  // where only single cells move, all others stay where they are
  Shape to;
  std::string letters, permuted;
  for (size_t d : order) {
    to.push_back(from[d]);
    if (from[d] != Dim(1)) larger.push_back(d);
    letters += char('a' + letters.size());
    permuted += char('a' + d);
  }
  if (std::ranges::is_sorted(larger)) return reshaped(b, x, to);
  return einsum(b, letters + "->" + permuted, {x});
}

}  // namespace braid
