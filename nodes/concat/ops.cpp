#include "concat/ops.h"

#include <braid/core/error.h>

namespace braid {
namespace {

std::vector<Type> concat_type(const Dict& attrs, std::span<const Type> in) {
  auto dim = size_t(get_int(attrs, "dim"));
  Type out = in[0];
  ensure(dim < out.rank() && !out.shape[dim].batched, "concat: no such dimension");
  for (auto& type : in.subspan(1)) {
    ensure(type.rank() == out.rank() && type.dtype == out.dtype, "concat: inputs disagree");
    out.shape[dim].value += type.shape[dim].value;
  }
  return {out};
}

std::vector<Type> slice_type(const Dict& attrs, std::span<const Type> in) {
  auto dim = size_t(get_int(attrs, "dim"));
  Type out = in[0];
  ensure(dim < out.rank() && !out.shape[dim].batched, "slice: no such dimension");
  int64_t begin = get_int(attrs, "begin"), size = get_int(attrs, "size");
  ensure(begin >= 0 && size > 0 && begin + size <= out.shape[dim].value, "slice: out of range");
  out.shape[dim] = size;
  return {out};
}

}  // namespace

void register_concat_ops(Registry& registry) {
  registry.add(OpDef{.name = "concat", .infer = concat_type, .linear = true});
  registry.add(OpDef{.name = "slice", .infer = slice_type});
}

}  // namespace braid
