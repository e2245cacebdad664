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

/// With 1 for the dimensions that are missing in front.
Shape aligned(const Shape& shape, size_t rank) {
  Shape all(rank - shape.size(), Dim(1));
  all.insert(all.end(), shape.begin(), shape.end());
  return all;
}

int view(Builder& b, int x, const Shape& shape) {
  if (b.type(x).shape == shape) return x;
  return b.one("reshape", {x}, {{"shape", to_attr(shape)}});
}

}  // namespace

int expand(Builder& b, int x, const Shape& shape, int like) {
  x = view(b, x, aligned(b.type(x).shape, shape.size()));
  if (b.type(x).shape == shape) return x;
  std::vector<int> in = {x};
  if (like >= 0) in.push_back(like);
  return b.one("expand", in, {{"shape", to_attr(shape)}});
}

int expand_gradient(Builder& b, int x, int g) {
  const Shape to = b.type(g).shape, from = aligned(b.type(x).shape, to.size());
  std::string all, kept;
  for (size_t d = 0; d < from.size(); ++d) {
    all += char('a' + d);
    if (from[d] == to[d]) kept += all.back();
  }
  if (kept != all) g = einsum(b, all + "->" + kept, {g});
  return view(b, g, b.type(x).shape);
}

void register_expand_ops(Registry& registry) {
  registry.add(OpDef{.name = "expand", .infer = expand_type, .linear = true});
}

}  // namespace braid
