// f32 on the CPU, in plain and in channel-blocked memory. Moments take two passes over a unit, the
// sum and then the squares around the mean, both in f64: no mean, however large, cancels digits.
#include <cmath>

#include "group_norm/units.h"
#include "ops/channels.h"

namespace braid::group_norm {
namespace {

/// Mean and 1/deviation of each group of a unit.
void find_statistics(const Walk& walk, Unit& unit, const float* x, double* mean_of,
                     double* inverse_of) {
  auto sum = unit.constants<double>(), mean = unit.constants<double>();
  auto square = unit.constants<double>();
  unit.each_slice([&](int64_t at, Columns m, int64_t c) { add_sums(m, x + at, sum.at(c)); });
  unit.each_group([&](int64_t k, int64_t first, int64_t end) {
    double total = 0;
    for (int64_t c = first; c < end; ++c) total += sum.sum(c);
    mean_of[k] = total / walk.count();
    for (int64_t c = first; c < end; ++c) mean.set(c, mean_of[k]);
  });
  unit.each_slice(
      [&](int64_t at, Columns m, int64_t c) { add_squares(m, x + at, mean.at(c), square.at(c)); });
  unit.each_group([&](int64_t k, int64_t first, int64_t end) {
    double total = 0;
    for (int64_t c = first; c < end; ++c) total += square.sum(c);
    inverse_of[k] = 1 / std::sqrt(total / walk.count() + walk.groups.eps);
  });
}

/// y = (x - shift)·scale + offset, shift being the mean rounded to f32: x - shift is exact near it.
KernelBody make_forward(const Signature& s) {
  const bool affine = s.in.size() > 1, shifted = s.in.size() > 2;
  return [walk = Walk(s.attrs, s.in[0]), affine, shifted](const KernelArgs& a) {
    const float* x = a.in<float>(0);
    each_unit(walk, a.workspace, [&](int64_t n, Unit unit) {
      double* mean_of = a.out<double>(1) + 2 * n * walk.groups.groups;
      double* inverse_of = mean_of + walk.groups.groups;
      find_statistics(walk, unit, x, mean_of, inverse_of);
      auto shift = unit.constants<float>(), scale = unit.constants<float>();
      auto offset = unit.constants<float>();
      unit.each_group([&](int64_t k, int64_t first, int64_t end) {
        const auto near = float(mean_of[k]);
        for (int64_t c = first; c < end; ++c) {
          const double by = inverse_of[k] * (affine ? double(a.in<float>(1)[c]) : 1);
          const double bias = shifted ? double(a.in<float>(2)[c]) : 0;
          shift.set(c, near);
          scale.set(c, float(by));
          offset.set(c, float(bias + (double(near) - mean_of[k]) * by));
        }
      });
      unit.each_slice([&](int64_t at, Columns m, int64_t c) {
        scale_columns(m, x + at, shift.at(c), scale.at(c), offset.at(c), a.out<float>(0) + at);
      });
    });
  };
}

int64_t forward_workspace(const Signature& s) {
  return Unit::workspace(Walk(s.attrs, s.in[0]), 3, 3);
}

/// With m values in a group and sums over it: dx = inverse·(w·g - sum(w·g)/m - x̂·sum(w·g·x̂)/m),
/// as g·scale + (x - shift)·slope + bias.
KernelBody make_gradient(const Signature& s) {
  return [walk = Walk(s.attrs, s.in[1]), affine = s.in.size() > 3](const KernelArgs& a) {
    const float *g = a.in<float>(0), *x = a.in<float>(1);
    each_unit(walk, a.workspace, [&](int64_t n, Unit unit) {
      const double* mean_of = a.in<double>(2) + 2 * n * walk.groups.groups;
      const double* inverse_of = mean_of + walk.groups.groups;
      double* sum_of = a.out<double>(1) + 2 * n * walk.v.channels;
      double* product_of = sum_of + walk.v.channels;
      auto mean = unit.constants<double>(), sum = unit.constants<double>();
      auto product = unit.constants<double>();
      unit.each_group([&](int64_t k, int64_t first, int64_t end) {
        for (int64_t c = first; c < end; ++c) mean.set(c, mean_of[k]);
      });
      unit.each_slice([&](int64_t at, Columns m, int64_t c) {
        add_products(m, g + at, x + at, mean.at(c), sum.at(c), product.at(c));
      });
      auto shift = unit.constants<float>(), scale = unit.constants<float>();
      auto slope = unit.constants<float>(), bias = unit.constants<float>();
      unit.each_group([&](int64_t k, int64_t first, int64_t end) {
        const double inverse = inverse_of[k];
        auto weight = [&](int64_t c) { return affine ? double(a.in<float>(3)[c]) : 1; };
        double all = 0, all_with_x = 0;
        for (int64_t c = first; c < end; ++c) {
          sum_of[c] = sum.sum(c);
          product_of[c] = product.sum(c) * inverse;
          all += weight(c) * sum_of[c];
          all_with_x += weight(c) * product_of[c];
        }
        const auto near = float(mean_of[k]);
        const double by_x = -inverse * inverse * all_with_x / walk.count();
        const double rest = -inverse * all / walk.count() + by_x * (double(near) - mean_of[k]);
        for (int64_t c = first; c < end; ++c) {
          shift.set(c, near);
          scale.set(c, float(inverse * weight(c)));
          slope.set(c, float(by_x));
          bias.set(c, float(rest));
        }
      });
      unit.each_slice([&](int64_t at, Columns m, int64_t c) {
        gradient_columns(m, g + at, x + at, shift.at(c), scale.at(c), slope.at(c), bias.at(c),
                         a.out<float>(0) + at);
      });
    });
  };
}

int64_t gradient_workspace(const Signature& s) {
  return Unit::workspace(Walk(s.attrs, s.in[1]), 3, 4);
}

/// [N, 2, C] summed over samples, in their order.
KernelBody make_sums(const Signature& s) {
  return [samples = s.in[0].dim(0), each = 2 * s.in[0].dim(2)](const KernelArgs& a) {
    double* sums = a.out<double>(0);
    std::fill_n(sums, each, 0.0);
    for (int64_t n = 0; n < samples; ++n)
      for (int64_t i = 0; i < each; ++i) sums[i] += a.in<double>(0)[n * each + i];
  };
}

}  // namespace

void register_kernels(Registry& r) {
  r.add(ChannelKernel{
      .op = "group_norm", .make = make_forward, .workspace = forward_workspace, .alias = 0});
  r.add(ChannelKernel{.op = "group_norm_grad",
                      .make = make_gradient,
                      .of = 1,
                      .workspace = gradient_workspace,
                      .alias = 0});
  for (const char* device : {"cpu", "reference"})
    r.add(plain_kernel("group_norm_sums", device, make_sums));
}

}  // namespace braid::group_norm
