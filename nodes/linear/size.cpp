#include "linear/matmul.h"

namespace braid {

MatmulSize matmul_size(const Signature& s) {
  auto &a = s.in[0], &b = s.in[1];
  bool ta = get_bool(s.attrs, "transpose_a"), tb = get_bool(s.attrs, "transpose_b");
  int64_t last = a.dims.back(), leading = 1;
  for (size_t i = 0; i + 1 < a.dims.size(); ++i) leading *= a.dim(i);
  int64_t columns = tb ? b.dim(0) : b.dims.back();
  return {ta ? last : leading, ta ? leading : last, columns, ta, tb, s.in.size() > 2};
}

}  // namespace braid
