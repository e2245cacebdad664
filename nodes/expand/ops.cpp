#include "expand/ops.h"

#include <braid/core/error.h>

#include "einsum/ops.h"
#include "ops/shape_attr.h"

namespace braid {
namespace {

std::vector<Type> expand_type(const Dict& attrs, std::span<const Type> in) {
  const Shape shape = shape_of(*find(attrs, "shape")), &x = in[0].shape;
  ensure(shape.size() == x.size(), "expand: the rank stays the same");
  for (size_t d = 0; d < x.size(); ++d)
    ensure(x[d] == shape[d] || x[d] == Dim(1), "expand: only single cells are repeated");
  return {{in[0].dtype, shape}};
}

}  // namespace

int expand_gradient(Builder& b, int x, int g) {
  const Shape from = b.type(x).shape, to = b.type(g).shape;
  std::string all, kept;
  for (size_t d = 0; d < from.size(); ++d) {
    all += char('a' + d);
    if (from[d] == to[d]) kept += all.back();
  }
  const int sum = einsum(b, all + "->" + kept, {g});
  return b.one("reshape", {sum}, {{"shape", to_attr(from)}});
}

void register_expand_ops(Registry& registry) {
  registry.add(OpDef{.name = "expand", .infer = expand_type, .linear = true});
}

}  // namespace braid
