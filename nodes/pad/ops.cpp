#include "pad/ops.h"

#include <braid/core/error.h>

#include "ops/shape_attr.h"

namespace braid {

static Dict attrs_of(const std::vector<int64_t>& before, const Shape& shape) {
  return {{"before", Attr::List(before.begin(), before.end())}, {"shape", to_attr(shape)}};
}

int pad(Builder& b, int x, const std::vector<int64_t>& before, const Shape& shape, double value) {
  Dict attrs = attrs_of(before, shape);
  set(attrs, "value", value);
  return b.one("pad", {x}, attrs);
}

int pad_gradient(Builder& b, int g, const std::vector<int64_t>& before, const Shape& shape) {
  return b.one("pad_grad", {g}, attrs_of(before, shape));
}

void register_pad_ops(Registry& registry) {
  auto infer = [](const Dict& attrs, std::span<const Type> in) {
    const Shape shape = shape_of(*find(attrs, "shape"));
    ensure(shape.size() == in[0].rank() && get_ints(attrs, "before").size() == in[0].rank(),
           "pad: the rank stays the same");
    return std::vector<Type>{{in[0].dtype, shape}};
  };
  registry.add(OpDef{.name = "pad", .infer = infer});
  registry.add(OpDef{.name = "pad_grad", .infer = infer, .linear = true});
}

}  // namespace braid
