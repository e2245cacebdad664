#include "data/augment.h"

#include <braid/core/random.h>

namespace braid {

namespace {

// Each sample has four draws of its stream.
enum Draw : uint64_t { top, left, mirror, upset, draws };

}  // namespace

Placement middle(const AugmentSpec& spec, int64_t height, int64_t width) {
  if (!spec.crop) return {};
  // Rounded down, also below 0, where the padding is.
  auto half = [](int64_t rest) { return rest >= 0 ? rest / 2 : -((1 - rest) / 2); };
  return {.top = half(height - (*spec.crop)[0]), .left = half(width - (*spec.crop)[1])};
}

Placement drawn(const AugmentSpec& spec, int64_t height, int64_t width, uint64_t key,
                int64_t sample) {
  auto below = [&](Draw what, int64_t n) {
    return int64_t(uniform_below(key, uint64_t(sample) * draws + what, uint64_t(n)));
  };
  Placement place;
  if (spec.crop) {
    place.top = below(top, height + 2 * spec.padding - (*spec.crop)[0] + 1) - spec.padding;
    place.left = below(left, width + 2 * spec.padding - (*spec.crop)[1] + 1) - spec.padding;
  }
  place.mirror = spec.mirror && below(mirror, 2) == 1;
  place.upset = spec.upset && below(upset, 2) == 1;
  return place;
}

}  // namespace braid
