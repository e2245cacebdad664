#include "amax/ops.h"

namespace braid {

int extreme(Builder& b, const char* op, int x, const std::vector<size_t>& dims) {
  Attr::List list;
  for (size_t dim : dims) list.push_back(int64_t(dim));
  return b.one(op, {x}, {{"dims", std::move(list)}});
}

void register_amax_ops(Registry& registry) {
  auto infer = [](const Dict& attrs, std::span<const Type> in) {
    Type y = in[0];
    for (int64_t dim : get_ints(attrs, "dims")) y.shape[size_t(dim)] = 1;
    return std::vector<Type>{y};
  };
  for (const char* op : {"amax", "amin"}) registry.add(OpDef{.name = op, .infer = infer});
}

}  // namespace braid
