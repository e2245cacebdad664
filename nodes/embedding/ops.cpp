#include "embedding/ops.h"

#include <braid/core/error.h>

namespace braid {

void register_embedding_ops(Registry& registry) {
  auto looked_up = [](const Dict&, std::span<const Type> in) {
    ensure(in[1].rank() == 2, "embedding: the table has rows and columns");
    Type y{in[1].dtype, in[0].shape};
    y.shape.push_back(in[1].shape[1]);
    return std::vector<Type>{y};
  };
  auto table = [](const Dict& attrs, std::span<const Type> in) {
    return std::vector<Type>{{in[1].dtype, {get_int(attrs, "rows"), in[1].shape.back()}}};
  };
  registry.add(OpDef{.name = "embedding", .infer = looked_up});
  registry.add(OpDef{.name = "embedding_grad", .infer = table, .merge = "sum"});
}

}  // namespace braid
