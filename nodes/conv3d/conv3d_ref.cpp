// The judge of the convolutions of volumes: f64, nested loops. The gradients walk the same loops as
// the forward pass, so that they are its exact transposes.
#include <algorithm>

#include "conv3d/ops.h"

namespace braid {
namespace {

int64_t product(const Three& three) { return three[0] * three[1] * three[2]; }

/// The cell `index` of a box, apart.
Three cell(int64_t index, const Three& size) {
  return {index / size[2] / size[1], index / size[2] % size[1], index % size[2]};
}

// The flat index of the input cell that kernel cell k sees from result cell i, or -1.
int64_t seen(const Conv3dSize& s, int64_t i, int64_t k) {
  const Three at = cell(i, s.result), of = cell(k, s.kernel);
  int64_t index = 0;
  for (size_t d = 0; d < 3; ++d) {
    const int64_t x = at[d] * s.stride[d] - s.padding[d] + of[d] * s.dilation[d];
    if (x < 0 || x >= s.input[d]) return -1;
    index = index * s.input[d] + x;
  }
  return index;
}

// Calls visit(y, x, w) with the flat indices of each product.
template <class Visit>
void for_each_product(const Conv3dSize& s, Visit visit) {
  const int64_t results = product(s.result), cells = product(s.kernel), inputs = product(s.input);
  for (int64_t n = 0; n < s.volumes; ++n)
    for (int64_t o = 0; o < s.out_channels; ++o)
      for (int64_t c = 0; c < s.group_in(); ++c)
        for (int64_t i = 0; i < results; ++i)
          for (int64_t k = 0; k < cells; ++k) {
            const int64_t x = seen(s, i, k), channel = o / s.group_out() * s.group_in() + c;
            if (x < 0) continue;
            visit((n * s.out_channels + o) * results + i,
                  (n * s.in_channels + channel) * inputs + x, (o * s.group_in() + c) * cells + k);
          }
}

KernelBody forward(const Signature& s) {
  const auto size = conv3d_size(s.attrs, s.in[0], s.in[1], s.out[0]);
  return [=, bias = s.in.size() > 2, elements = s.out[0].elements()](const KernelArgs& a) {
    auto y = a.out<double>(0);
    for (int64_t i = 0; i < elements; ++i)
      y[i] = bias ? a.in<double>(2)[i / product(size.result) % size.out_channels] : 0;
    for_each_product(size, [&](int64_t yi, int64_t xi, int64_t wi) {
      y[yi] += a.in<double>(0)[xi] * a.in<double>(1)[wi];
    });
  };
}

KernelBody grad_input(const Signature& s) {
  const auto size = conv3d_size(s.attrs, s.out[0], s.in[1], s.in[0]);
  return [=, elements = s.out[0].elements()](const KernelArgs& a) {
    std::fill_n(a.out<double>(0), elements, 0.0);
    for_each_product(size, [&](int64_t yi, int64_t xi, int64_t wi) {
      a.out<double>(0)[xi] += a.in<double>(0)[yi] * a.in<double>(1)[wi];
    });
  };
}

KernelBody grad_weight(const Signature& s) {
  const auto size = conv3d_size(s.attrs, s.in[0], s.out[0], s.in[1]);
  return [=, bias = s.out.size() > 1, elements = s.in[1].elements(),
          weights = s.out[0].elements()](const KernelArgs& a) {
    auto g = a.in<double>(1);
    std::fill_n(a.out<double>(0), weights, 0.0);
    for_each_product(size, [&](int64_t yi, int64_t xi, int64_t wi) {
      a.out<double>(0)[wi] += g[yi] * a.in<double>(0)[xi];
    });
    if (!bias) return;
    std::fill_n(a.out<double>(1), size.out_channels, 0.0);
    for (int64_t i = 0; i < elements; ++i)
      a.out<double>(1)[i / product(size.result) % size.out_channels] += g[i];
  };
}

}  // namespace

void register_conv3d_reference(Registry& registry) {
  registry.add(plain_kernel("conv3d", "reference", forward));
  registry.add(plain_kernel("conv3d_grad_input", "reference", grad_input));
  registry.add(plain_kernel("conv3d_grad_weight", "reference", grad_weight));
}

}  // namespace braid
