#include "pad/ops.h"

#include <braid/core/error.h>

#include "ops/shape_attr.h"

namespace braid {

int pad(Builder& b, int x, const std::vector<int64_t>& before, const Shape& shape, double value) {
  return b.one("pad", {x},
               {{"before", Attr::List(before.begin(), before.end())},
                {"shape", to_attr(shape)},
                {"value", value}});
}

void register_pad_ops(Registry& registry) {
  auto infer = [](const Dict& attrs, std::span<const Type> in) {
    const Shape shape = shape_of(*find(attrs, "shape"));
    ensure(shape.size() == in[0].rank() && get_ints(attrs, "before").size() == in[0].rank(),
           "pad: the rank stays the same");
    return std::vector<Type>{{in[0].dtype, shape}};
  };
  registry.add(OpDef{.name = "pad", .infer = infer});
}

}  // namespace braid
