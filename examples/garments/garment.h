// Fashion-MNIST, garment by garment.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dice.h"

namespace garments {

constexpr int original = 28;  // side of a garment, in pixels
using Plane = std::array<double, original * original>;

struct Garment {
  Plane value = {}, solid = {};  ///< 0 to 1
};

/// Images [n, 28, 28] and their classes.
struct Garments {
  std::vector<uint8_t> pixels, labels;
};

/// `part` is "train" or "t10k". Throws std::runtime_error for what is missing or damaged.
Garments read_garments(const std::string& folder, const std::string& part);

/// One of any kind, each kind as likely as any other. `label` is its class in a mask: 1 = a top,
/// 2 = trousers, 3 = a dress, 4 = a shoe, 5 = a bag.
Garment any_garment(const Garments& all, Dice& dice, uint8_t& label);

/// The same brightness and the same holes in no order: nothing that has a shape.
Garment shuffled(const Garment& garment, Dice& dice);

/// Between pixels, whose middles are at whole numbers; 0 outside.
double bilinear(const Plane& of, double x, double y);

}  // namespace garments
