// Resizing signals, images and volumes with the operations of images: a volume is resized in its
// planes, then along its depth, each time seen as images.
//
//   Resizing r = resizing_of(b, call, call.in[0]);      // from the layer's parameters, checked
//   int y = resize(b, call.in[0], r);
//   int dx = resize_gradient(b, g, r, x_shape);
#pragma once
#include <optional>

#include <braid/core/layer.h>

namespace braid {

struct Resizing {
  bool mixed = false, align_corners = false;  ///< mixed: (bi-, tri-)linear
  std::vector<int64_t> from, to;              ///< spatial sizes
  std::vector<double> factor;  ///< where cells come from, if factors were given; else empty
};

/// The parameters `mode`, `align_corners`, `scale_factor` and `size` of `call` for its input 0;
/// with `like` the sizes are those of that value.
Resizing resizing_of(Builder& b, const Call& call, std::optional<int> like = {});

int resize(Builder& b, int x, const Resizing& how);
int resize_gradient(Builder& b, int g, const Resizing& how, const Shape& x);

/// size, scale_factor, mode, align_corners.
std::vector<ParamDef> resize_params();

}  // namespace braid
