#include "mean/mean.h"

namespace braid {
namespace {

/// Which result each element of the whole goes into, by taking its index apart.
struct Mapping {
  std::vector<int64_t> dims;
  std::vector<bool> reduced;
  double count = 1;  ///< elements of one mean

  Mapping(std::vector<int64_t> sizes, const Dict& attrs)
      : dims(std::move(sizes)), reduced(dims.size()) {
    for (int64_t d : get_ints(attrs, "dims")) {
      reduced[size_t(d)] = true;
      count *= double(dims[size_t(d)]);
    }
  }

  int64_t result_of(int64_t element) const {
    int64_t result = 0, stride = 1;
    for (size_t d = dims.size(); d-- > 0; element /= dims[d])
      if (!reduced[d]) {
        result += element % dims[d] * stride;
        stride *= dims[d];
      }
    return result;
  }
};

KernelBody make_mean(const Signature& s) {
  return [map = Mapping(s.in[0].dims, s.attrs), n = s.in[0].elements(),
          results = s.out[0].elements()](const KernelArgs& a) {
    double* y = a.out<double>(0);
    for (int64_t i = 0; i < results; ++i) y[i] = 0;
    for (int64_t i = 0; i < n; ++i) y[map.result_of(i)] += a.in<double>(0)[i] / map.count;
  };
}

KernelBody make_gradient(const Signature& s) {
  return [map = Mapping(s.out[0].dims, s.attrs), n = s.out[0].elements()](const KernelArgs& a) {
    for (int64_t i = 0; i < n; ++i)
      a.out<double>(0)[i] = a.in<double>(0)[map.result_of(i)] / map.count;
  };
}

}  // namespace

void register_mean_references(Registry& registry) {
  registry.add(plain_kernel("mean", "reference", make_mean));
  registry.add(plain_kernel("mean_grad", "reference", make_gradient));
}

}  // namespace braid
