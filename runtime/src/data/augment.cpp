#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <braid/core/random.h>

namespace braid {

namespace {

// Each sample has four draws of its stream.
enum Draw : uint64_t { top, left, mirror, upset, draws };

constexpr uint64_t tries = 10;

/// The draws of a sample for what came after crops and flips, a stream of their own.
class Draws {
 public:
  enum What : uint64_t { part, degrees = part + 4 * tries, factors, order = factors + 4, all = 64 };

  Draws(uint64_t key, int64_t sample)
      : key_(mix64(key ^ hash_text("transforms"))), first_(uint64_t(sample) * all) {}

  double within(const Range& range, uint64_t what) const {
    return range[0] + (range[1] - range[0]) * uniform(key_, first_ + what);
  }
  int64_t below(int64_t n, uint64_t what) const {
    return int64_t(uniform_below(key_, first_ + what, uint64_t(n)));
  }

 private:
  uint64_t key_, first_;
};

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
  auto happens = [&](Draw what) {
    return uniform(key, uint64_t(sample) * draws + what) >= 1 - spec.flip_p;
  };
  place.mirror = spec.mirror && happens(mirror);
  place.upset = spec.upset && happens(upset);
  return place;
}

Box middle_part(const ResizedCropSpec& spec, int64_t height, int64_t width) {
  double ratio = double(width) / double(height);
  Box box{0, 0, height, width};
  if (ratio < spec.ratio[0]) box.height = int64_t(std::nearbyint(double(width) / spec.ratio[0]));
  if (ratio > spec.ratio[1]) box.width = int64_t(std::nearbyint(double(height) * spec.ratio[1]));
  box.height = std::clamp<int64_t>(box.height, 1, height);
  box.width = std::clamp<int64_t>(box.width, 1, width);
  box.top = (height - box.height) / 2;
  box.left = (width - box.width) / 2;
  return box;
}

Box drawn_part(const ResizedCropSpec& spec, int64_t height, int64_t width, uint64_t key,
               int64_t sample) {
  const Draws draws(key, sample);
  const Range logs = {std::log(spec.ratio[0]), std::log(spec.ratio[1])};
  for (uint64_t i = Draws::part; i < Draws::part + 4 * tries; i += 4) {
    double area = double(height * width) * draws.within(spec.scale, i);
    double ratio = std::exp(draws.within(logs, i + 1));
    Box box{0, 0, int64_t(std::nearbyint(std::sqrt(area / ratio))),
            int64_t(std::nearbyint(std::sqrt(area * ratio)))};
    bool fits = box.height > 0 && box.height <= height && box.width > 0 && box.width <= width;
    if (!fits) continue;
    box.top = draws.below(height - box.height + 1, i + 2);
    box.left = draws.below(width - box.width + 1, i + 3);
    return box;
  }
  return middle_part(spec, height, width);
}

double drawn_degrees(const AugmentSpec& spec, uint64_t key, int64_t sample) {
  return Draws(key, sample).within(spec.rotate, Draws::degrees);
}

Jitter drawn_jitter(const JitterSpec& spec, uint64_t key, int64_t sample) {
  const Draws draws(key, sample);
  Jitter by{.brightness = draws.within(spec.brightness, Draws::factors),
            .contrast = draws.within(spec.contrast, Draws::factors + 1),
            .saturation = draws.within(spec.saturation, Draws::factors + 2),
            .hue = draws.within(spec.hue, Draws::factors + 3)};
  for (uint64_t i = 3; i > 0; --i) {  // Fisher and Yates
    std::swap(by.order[i], by.order[size_t(draws.below(int64_t(i) + 1, Draws::order + i))]);
  }
  return by;
}

}  // namespace braid
