#include "conv2d/size.h"

#include <braid/core/error.h>

namespace braid {

static std::array<int64_t, 2> pair(const Dict& attrs, const char* name) {
  auto list = get_ints(attrs, name, {1, 1});
  ensure(list.size() == 2, "a convolution's stride and dilation are lists of two");
  return {list[0], list[1]};
}

ConvWindow conv_window(const Dict& attrs) {
  auto padding = get_ints(attrs, "padding", {0, 0, 0, 0});
  ensure(padding.size() == 4, "a convolution's padding is a list of four");
  return {pair(attrs, "stride"),
          pair(attrs, "dilation"),
          {padding[0], padding[1]},
          {padding[2], padding[3]},
          get_int(attrs, "groups", 1)};
}

ConvSize conv_size(const Dict& attrs, const Operand& x, const Operand& w, const Operand& y) {
  return {
      conv_window(attrs),  x.dim(0), x.dim(1), w.dim(0), {x.dim(2), x.dim(3)}, {w.dim(2), w.dim(3)},
      {y.dim(2), y.dim(3)}};
}

}  // namespace braid
