#include "ops/checks.h"

#include <algorithm>

namespace braid {

std::string port_name(const Call& call, size_t input) {
  const auto& ports = call.def->inputs;
  if (input < ports.size() && !ports[input].variadic) return ports[input].name;
  return "input " + std::to_string(input);
}

// Of losses and metrics, prediction and target are easily swapped.
static std::string order_of(const Call& call) {
  if (call.def->role == Role::layer || call.in.size() != 2) return "";
  return "\nfrom is [" + call.def->inputs[0].name + ", " + call.def->inputs[1].name +
         "], in this order";
}

static void require(const Builder& b, const Call& call, size_t input, DType dtype) {
  const Type& type = b.type(call.in[input]);
  if (type.dtype == dtype) return;
  b.fail("E0230",
         port_name(call, input) + " is " + to_string(type) + ", " + call.def->name + " needs " +
             std::string(to_string(dtype)),
         "there is no silent conversion between dtypes; declare the input with dtype " +
             std::string(to_string(dtype)) + order_of(call));
}

void require_f32(const Builder& b, const Call& call, size_t input) {
  require(b, call, input, DType::f32);
}

void require_i64(const Builder& b, const Call& call, size_t input) {
  require(b, call, input, DType::i64);
}

std::string how_to_match(const Shape& a, const Shape& b) {
  if (a.size() != b.size() || a.size() < 3) return "all inputs need the same shape";
  if (std::equal(a.begin() + 2, a.end(), b.begin() + 2))
    return "the channels differ: a Conv2d with kernel_size 1 gives one of them as many as the "
           "other";
  const int64_t large = std::max(a[2].value, b[2].value), small = std::min(a[2].value, b[2].value);
  if (large % small == 0 && large > small)
    return "the heights differ by " + std::to_string(large / small) + "x: a stride of " +
           std::to_string(large / small) +
           " before the larger one, or an Upsample with scale_factor " +
           std::to_string(large / small) + " after the smaller one";
  return "pad, pool, stride or upsample one of them to the sizes of the other";
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

std::vector<size_t> resolve_dims(const Builder& b, const Call& call) {
  std::vector<size_t> dims;
  for (int64_t dim : get_ints(call.params, "dim")) {
    dims.push_back(resolve_dim(b, b.type(call.in[0]), dim));
    if (std::ranges::count(dims, dims.back()) > 1)
      b.fail("E0231", "dim " + std::to_string(dim) + " appears twice");
  }
  return dims;
}

Shape reduced(const Shape& shape, const std::vector<size_t>& dims, bool keepdim) {
  Shape left;
  for (size_t d = 0; d < shape.size(); ++d)
    if (std::ranges::count(dims, d) == 0)
      left.push_back(shape[d]);
    else if (keepdim)
      left.push_back(1);
  return left;
}

}  // namespace braid
