#include "ops/reshaped.h"

#include "ops/shape_attr.h"

namespace braid {

int reshaped(Builder& b, int value, const Shape& shape) {
  if (b.type(value).shape == shape) return value;
  return b.one("reshape", {value}, {{"shape", to_attr(shape)}});
}

}  // namespace braid
