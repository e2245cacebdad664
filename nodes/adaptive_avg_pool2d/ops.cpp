#include "adaptive_avg_pool2d/ops.h"

#include <braid/core/error.h>

namespace braid {
namespace {

Type resized(const Type& image, const Dict& attrs, const char* name) {
  auto size = get_ints(attrs, name);
  ensure(size.size() == 2 && image.rank() == 4, "adaptive pooling resizes images to two numbers");
  return {image.dtype, {image.shape[0], image.shape[1], size[0], size[1]}};
}

OpDef resizing(std::string op, const char* attribute) {
  return {.name = std::move(op), .infer = [attribute](const Dict& attrs, std::span<const Type> in) {
            return std::vector<Type>{resized(in[0], attrs, attribute)};
          }};
}

}  // namespace

void register_adaptive_avg_pool2d_ops(Registry& registry) {
  registry.add(resizing("adaptive_avg_pool2d", "output_size"));
  registry.add(resizing("adaptive_avg_pool2d_grad", "input_size"));
}

}  // namespace braid
