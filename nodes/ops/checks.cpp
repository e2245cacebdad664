#include "ops/checks.h"

namespace braid {

std::string port_name(const Call& call, size_t input) {
  const auto& ports = call.def->inputs;
  if (input < ports.size() && !ports[input].variadic) return ports[input].name;
  return "input " + std::to_string(input);
}

static void require(const Builder& b, const Call& call, size_t input, DType dtype) {
  const Type& type = b.type(call.in[input]);
  if (type.dtype == dtype) return;
  b.fail("E0230",
         port_name(call, input) + " is " + to_string(type) + ", " + call.def->name + " needs " +
             std::string(to_string(dtype)),
         "there is no silent conversion between dtypes; declare the input with dtype " +
             std::string(to_string(dtype)));
}

void require_f32(const Builder& b, const Call& call, size_t input) {
  require(b, call, input, DType::f32);
}

void require_i64(const Builder& b, const Call& call, size_t input) {
  require(b, call, input, DType::i64);
}

size_t resolve_dim(const Builder& b, const Type& type, int64_t dim) {
  int64_t rank = int64_t(type.rank());
  if (dim < -rank || dim >= rank)
    b.fail(
        "E0231", "dim " + std::to_string(dim) + " does not exist in " + to_string(type.shape),
        "dims of this input go from " + std::to_string(-rank) + " to " + std::to_string(rank - 1));
  size_t found = size_t(dim < 0 ? dim + rank : dim);
  if (type.shape[found].batched)
    b.fail("E0232",
           "dim " + std::to_string(dim) + " of " + to_string(type.shape) +
               " is the batch, and replicas hold slices of it: their samples cannot be mixed",
           "choose a dim from 1 on");
  return found;
}

}  // namespace braid
