#include "linear/column_sum.h"

namespace braid {

void register_linear_cuda(Registry& registry) { register_column_sum_cuda(registry); }

}  // namespace braid
