// What the gradient has to know of a few targets, side by side.
#pragma once
#include <cstdint>

namespace braid {

constexpr int64_t kTargets = 256;

struct TargetTile {
  int32_t label[kTargets];  ///< -1 = ignored
  float whole[kTargets], own[kTargets], scale[kTargets];
};

}  // namespace braid
