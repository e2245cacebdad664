// What the device's kernels of this folder share: how activations lie, how channels are cut into
// tiles, and the coefficients of a channel.
//
// Two ways to lie in memory: *planes* (plain NCHW: the points of one channel side by side) and
// *rows* (channels side by side: (N, C) and channels-last). Sums over a channel are made in f64,
// each thread around the first value that it sees, tile by tile; how many tiles there are follows
// from the shape alone, and they are merged in their order.
#pragma once
#include <algorithm>

#include <braid/core/registry.h>

#include "batch_norm/coefficients.h"
#include "batch_norm/parts.h"
#include "cuda/launch.h"
#include "cuda/vector.h"

namespace braid::batch_norm {

constexpr int kThreads = 256;

struct Lay {
  int64_t samples, channels, points;
  bool rows;  ///< channels side by side

  constexpr int64_t count() const { return samples * points; }
  constexpr int64_t elements() const { return samples * channels * points; }
};

/// The memory format of channels-last activations of so many dimensions: "acdb" of four.
inline Format channels_last(size_t rank) {
  constexpr const char* formats[] = {"", "", "", "acb", "acdb", "acdeb"};
  return rank < 6 ? formats[rank] : "";
}

inline Lay lay_of(const Operand& x) {
  Lay lay{x.dim(0), x.dim(1), 1, x.dims.size() == 2 || !x.format.empty()};
  for (size_t i = 2; i < x.dims.size(); ++i) lay.points *= x.dims[i];
  return lay;
}

/// How a channel is cut: planes by runs of its values; rows by runs of rows, in blocks of `columns`
/// threads side by side.
struct Tiling {
  int64_t tiles = 1, length = 0;  ///< values (planes) or rows in a tile
  int columns = 1;                ///< threads side by side
  int64_t strips = 1;             ///< of columns
  int64_t blocks(const Lay& lay) const { return lay.rows ? tiles * strips : tiles * lay.channels; }
};

/// `width` = values of one access.
inline Tiling tiling_of(const Lay& lay, int width) {
  // A block should have so many rounds of loads, four of each thread, as pay for its merge; a
  // launch as many blocks as fill an H100 (132 multiprocessors), once or twice. On other devices it
  // has no more and no less, so that they make the same sums.
  struct Wish {
    int64_t rounds, least, most;
  };
  const Wish wish = lay.rows ? Wish{8, 264, 264} : Wish{4, 512, 768};
  auto up = [](int64_t n, int64_t unit) { return (n + unit - 1) / unit; };
  Tiling t;
  // `beside`: blocks beside each other, in channels.
  auto cut = [&](int64_t all, int64_t round, int64_t beside) {
    const int64_t rounds = up(all, round);
    const int64_t blocks = std::clamp(rounds * beside / wish.rounds, wish.least, wish.most);
    const int64_t pieces = std::clamp<int64_t>(up(blocks, beside), 1, std::max<int64_t>(1, rounds));
    t.length = std::max<int64_t>(1, up(rounds, pieces)) * round;
    t.tiles = std::max<int64_t>(1, up(all, t.length));
  };
  if (!lay.rows) {
    cut(lay.count(), kThreads * 4 * width, lay.channels);
    return t;
  }
  const int64_t packs = up(lay.channels, width);
  while (t.columns < 32 && t.columns < packs) t.columns *= 2;
  t.strips = up(packs, t.columns);
  cut(lay.count(), kThreads / t.columns * 4, t.strips);
  return t;
}

/// Arrays of the channels' coefficients in the workspace.
struct CoefficientRows {
  float *shift, *scale, *offset, *slope, *bias;

  static int64_t bytes(int64_t channels) { return (channels * 5 * 4 + 255) / 256 * 256; }
  static constexpr CoefficientRows at(void* memory, int64_t channels) {
    float* first = static_cast<float*>(memory);
    return {first, first + channels, first + 2 * channels, first + 3 * channels,
            first + 4 * channels};
  }
};

/// What the coefficients of a part follow from.
struct CoefficientPart {
  Statistics statistics;
  Affine affine;
  const double* sums;  ///< of backward, or null
  void* out;           ///< CoefficientRows
  int64_t* status;     ///< not null: set where a channel's statistics come from one value or none
};

/// One launch for all parts. In coefficients.cu.
void make_coefficients(Queue* queue, const EpsRule& rule, int64_t channels,
                       std::span<const CoefficientPart> parts);

/// How the operands of an operation lie: inputs of the statistics and of weight and bias.
struct Form {
  bool eval, relu, masked, affine;
  int x, statistics, first_affine;
  EpsRule rule;

  Form(const Signature& s, int x, bool eval, int first_affine)
      : eval(eval),
        relu(get_bool(s.attrs, "relu")),
        masked(get_bool(s.attrs, "masked")),
        affine(s.in.size() > size_t(first_affine) + 1),
        x(x),
        statistics(x + 1),
        first_affine(first_affine),
        rule(eps_rule(s.attrs)) {}

  CoefficientPart coefficients(const KernelArgs& a, void* out) const {
    Statistics s{nullptr, nullptr, nullptr};
    if (eval)
      s = {nullptr, a.in<float>(statistics), a.in<float>(statistics + 1)};
    else
      s.moments = a.in<double>(statistics);
    Affine k;
    if (affine) k = {a.in<float>(first_affine), a.in<float>(first_affine + 1)};
    return {s, k, nullptr, out, nullptr};
  }
};

/// f(float{}) or f(__nv_bfloat16{}), by the type of an activation.
template <class F>
auto with_activation(DType dtype, F f) {
  return dtype == DType::bf16 ? f(__nv_bfloat16{}) : f(float{});
}

void register_moments_cuda(Registry&);     // moments.cu
void register_reduce_cuda(Registry&);      // reduce.cu
void register_apply_cuda(Registry&);       // apply.cu: normalize and dx
void register_statistics_cuda(Registry&);  // statistics.cu

/// A kernel that takes x (input `x`) as it lies, plain or channels-last; what has its shape lies
/// alike.
Kernel activation_kernel(std::string op, size_t x,
                         std::function<Launch(std::span<const Signature>)> make, int alias);

}  // namespace braid::batch_norm
