// Random numbers of a scene, drawn one after the other from a stream of its own.
#pragma once
#include <array>
#include <cstdint>

#include <braid/core/random.h>

namespace garments {

using Color = std::array<double, 3>;

/// One stream of random numbers, drawn one after the other.
class Dice {
 public:
  explicit Dice(uint64_t key) : key_(key) {}
  double real(double from, double to) { return from + (to - from) * braid::uniform(key_, at_++); }
  int whole(int from, int to) {  // both included
    return from + int(braid::uniform_below(key_, at_++, uint64_t(to - from + 1)));
  }
  bool chance(double p) { return real(0, 1) < p; }
  Color color(double from, double to) { return {real(from, to), real(from, to), real(from, to)}; }
  uint64_t stream() { return braid::random_bits(key_, at_++); }

 private:
  uint64_t key_, at_ = 0;
};

}  // namespace garments
