#include "upsample/ops.h"

#include <braid/core/error.h>

namespace braid {
namespace {

OpDef resizing(std::string op, const char* from, const char* to) {
  return {.name = std::move(op), .infer = [=](const Dict& attrs, std::span<const Type> in) {
            auto given = get_ints(attrs, from), made = get_ints(attrs, to);
            const Shape& x = in[0].shape;
            ensure(x.size() == 4 && given.size() == 2 && made.size() == 2 &&
                       x[2].value == given[0] && x[3].value == given[1],
                   "upsample: the sizes are those of images");
            return std::vector<Type>{{in[0].dtype, {x[0], x[1], made[0], made[1]}}};
          }};
}

}  // namespace

void register_upsample_ops(Registry& registry) {
  registry.add(resizing("upsample", "image_size", "output_size"));
  registry.add(resizing("upsample_grad", "output_size", "image_size"));
}

}  // namespace braid
