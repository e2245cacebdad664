// A softmax over the classes of a few points at a time: a small matrix, one row a class, one column
// a point, so that vectors run over points whatever the memory format of the logits.
#pragma once
#include <algorithm>
#include <cstdint>

namespace braid {

/// Columns of a tile, a multiple of the widest vector; fewer for many classes, to stay in cache.
constexpr int64_t kMostPoints = 64;
inline int64_t tile_width(int64_t classes) {
  return std::clamp<int64_t>(16384 / std::max<int64_t>(classes, 1) / 16 * 16, 16, kMostPoints);
}

struct Tile {
  int64_t classes, width;
  float* e;                   ///< [classes, width]: logits, which become probabilities
  const double* shares;       ///< of each class, for `mixed`; null = not wanted
  float most[kMostPoints];    ///< largest logit of each point
  double z[kMostPoints];      ///< sum of exp(logit - most)
  double mixed[kMostPoints];  ///< sum of shares times logits
};

/// Takes the first `points` columns, and those behind them up to a whole vector.
void softmax_columns(Tile& tile, int64_t points);

}  // namespace braid
