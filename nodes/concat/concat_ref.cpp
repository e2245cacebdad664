// The judges of concat and slice: element by element.
#include <cstring>

#include "concat/ops.h"

namespace braid {
namespace {

struct Axes {
  int64_t outer = 1, size, inner = 1;
};

Axes axes_of(const std::vector<int64_t>& dims, size_t dim) {
  Axes a{.size = dims[dim]};
  for (size_t i = 0; i < dim; ++i) a.outer *= dims[i];
  for (size_t i = dim + 1; i < dims.size(); ++i) a.inner *= dims[i];
  return a;
}

// One element of any dtype.
void copy(const KernelArgs& args, int input, int64_t from, int64_t to, DType dtype) {
  size_t bytes = size_of(dtype);
  std::memcpy(args.out<char>(0) + size_t(to) * bytes, args.in<char>(input) + size_t(from) * bytes,
              bytes);
}

KernelBody concat(const Signature& s) {
  return [s](const KernelArgs& args) {
    auto dim = size_t(get_int(s.attrs, "dim"));
    Axes y = axes_of(s.out[0].dims, dim);
    int64_t begin = 0;
    for (size_t k = 0; k < s.in.size(); ++k) {
      Axes x = axes_of(s.in[k].dims, dim);
      for (int64_t o = 0; o < x.outer; ++o)
        for (int64_t i = 0; i < x.size; ++i)
          for (int64_t e = 0; e < x.inner; ++e)
            copy(args, int(k), (o * x.size + i) * x.inner + e,
                 (o * y.size + begin + i) * y.inner + e, s.out[0].dtype);
      begin += x.size;
    }
  };
}

KernelBody slice(const Signature& s) {
  return [s](const KernelArgs& args) {
    auto dim = size_t(get_int(s.attrs, "dim"));
    int64_t begin = get_int(s.attrs, "begin");
    Axes x = axes_of(s.in[0].dims, dim), y = axes_of(s.out[0].dims, dim);
    for (int64_t o = 0; o < y.outer; ++o)
      for (int64_t i = 0; i < y.size; ++i)
        for (int64_t e = 0; e < y.inner; ++e)
          copy(args, 0, (o * x.size + begin + i) * x.inner + e, (o * y.size + i) * y.inner + e,
               s.out[0].dtype);
  };
}

}  // namespace

void register_concat_references(Registry& registry) {
  registry.add(plain_kernel("concat", "reference", concat));
  registry.add(plain_kernel("slice", "reference", slice));
}

}  // namespace braid
