// The judge of GridSample: every cell of the input is asked for its share in every position, which
// along each axis is a tent of height 1 over the cell that ends at its neighbours.
#include <algorithm>
#include <cmath>

#include "grid_sample/ops.h"

namespace braid {
namespace {

struct Tent {
  double share, slope;
};

Tent tent(const GridRule& rule, double coordinate, int64_t cell, int64_t cells) {
  const double scale = rule.align_corners ? double(cells - 1) / 2 : double(cells) / 2;
  double at = (coordinate + 1) * scale - (rule.align_corners ? 0 : 0.5), slope = scale;
  if (rule.border && (at < 0 || at > double(cells - 1))) {
    at = std::clamp(at, 0.0, double(cells - 1));
    slope = 0;
  }
  if (rule.nearest) return {std::nearbyint(at) == double(cell) ? 1.0 : 0.0, 0};
  const double away = at - double(cell);
  if (std::abs(away) >= 1) return {0, 0};
  return {1 - std::abs(away), away > 0 ? -slope : slope};
}

/// Calls visit(sample, result, cell, weight, slopes) for all pairs that have to do with each other.
template <class Visit>
void for_each_pair(const Signature& sig, const GridSize& s, const double* grid, Visit visit) {
  const GridRule rule = grid_rule(sig.attrs);
  for (int64_t n = 0; n < s.samples; ++n)
    for (int64_t i = 0; i < s.results; ++i, grid += s.axes)
      for (int64_t cell = 0; cell < s.inputs; ++cell) {
        double weight = 1, slopes[3] = {1, 1, 1};
        int64_t rest = cell;
        for (int a = 0; a < s.axes; rest /= s.cells[a], ++a) {
          const Tent t = tent(rule, grid[a], rest % s.cells[a], s.cells[a]);
          weight *= t.share;
          for (int k = 0; k < s.axes; ++k) slopes[k] *= k == a ? t.slope : t.share;
        }
        visit(n, i, cell, weight, slopes);
      }
}

KernelBody forward(const Signature& sig) {
  return [sig, s = grid_size(sig.in[0], sig.in[1])](const KernelArgs& a) {
    double* y = a.out<double>(0);
    std::fill_n(y, sig.out[0].elements(), 0.0);
    for_each_pair(sig, s, a.in<double>(1),
                  [&](int64_t n, int64_t i, int64_t cell, double weight, const double*) {
                    for (int64_t c = n * s.channels; c < (n + 1) * s.channels; ++c)
                      y[c * s.results + i] += weight * a.in<double>(0)[c * s.inputs + cell];
                  });
  };
}

KernelBody grad_input(const Signature& sig) {
  return [sig, s = grid_size(sig.out[0], sig.in[0])](const KernelArgs& a) {
    double* dx = a.out<double>(0);
    std::fill_n(dx, sig.out[0].elements(), 0.0);
    for_each_pair(sig, s, a.in<double>(0),
                  [&](int64_t n, int64_t i, int64_t cell, double weight, const double*) {
                    for (int64_t c = n * s.channels; c < (n + 1) * s.channels; ++c)
                      dx[c * s.inputs + cell] += weight * a.in<double>(1)[c * s.results + i];
                  });
  };
}

KernelBody grad_grid(const Signature& sig) {
  return [sig, s = grid_size(sig.in[0], sig.in[1])](const KernelArgs& a) {
    double* dgrid = a.out<double>(0);
    std::fill_n(dgrid, sig.out[0].elements(), 0.0);
    for_each_pair(sig, s, a.in<double>(1),
                  [&](int64_t n, int64_t i, int64_t cell, double, const double* slopes) {
                    for (int64_t c = n * s.channels; c < (n + 1) * s.channels; ++c)
                      for (int k = 0; k < s.axes; ++k)
                        dgrid[(n * s.results + i) * s.axes + k] +=
                            slopes[k] * a.in<double>(2)[c * s.results + i] *
                            a.in<double>(0)[c * s.inputs + cell];
                  });
  };
}

}  // namespace

void register_grid_sample_reference(Registry& registry) {
  registry.add(plain_kernel("grid_sample", "reference", forward));
  registry.add(plain_kernel("grid_sample_grad_input", "reference", grad_input));
  registry.add(plain_kernel("grid_sample_grad_grid", "reference", grad_grid));
}

}  // namespace braid
