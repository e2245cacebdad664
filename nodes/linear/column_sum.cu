#include "cuda/columns.h"
#include "cuda/kernel.h"
#include "linear/column_sum.h"

namespace braid {

static Launch column_sum(std::span<const Signature> signatures) {
  std::vector<int64_t> rows;
  const int64_t columns = signatures[0].out[0].elements();
  for (auto& s : signatures) rows.push_back(s.in[0].elements() / columns);
  return cuda::column_sums<float, float>(rows, columns);
}

void register_column_sum_cuda(Registry& registry) {
  registry.add(cuda::kernel("column_sum", column_sum));
}

}  // namespace braid
