// count_elements(x): the elements of a value that has attribute `each` of them for a sample, while
// x has `of`; x says how many samples there are, and its numbers are not looked at.
#include "ops/count.h"

#include <algorithm>

#include "ops/ops.h"

namespace braid {

/// An input of the network that `value` got its N from; `value` itself where it has none.
static int batch_behind(const Graph& graph, int value) {
  auto is_split = [&](int v) { return graph.values[size_t(v)].layout == Layout::split(); };
  while (is_split(value) && graph.values[size_t(value)].node >= 0)
    value =
        *std::ranges::find_if(graph.nodes[size_t(graph.values[size_t(value)].node)].in, is_split);
  return value;
}

int count_of(Builder& b, int value) {
  const int counted = batch_behind(b.graph(), value);
  const int64_t of = b.type(counted).elements(1), each = b.type(value).elements(1);
  return b.one("count_elements", {counted}, {{"of", of}, {"each", each}});
}

double count_elements(const Signature& s) {
  const int64_t samples = s.in[0].elements() / get_int(s.attrs, "of");
  return double(samples * get_int(s.attrs, "each"));
}

void register_count(Registry& registry) {
  registry.add(OpDef{.name = "count_elements",
                     .infer =
                         [](const Dict&, std::span<const Type>) {
                           return std::vector<Type>{{DType::f64, {1}}};
                         },
                     .merge = "sum"});
  auto make = [](const Signature& s) -> KernelBody {
    return [count = count_elements(s)](const KernelArgs& a) { a.out<double>(0)[0] = count; };
  };
  for (const char* device : {"cpu", "reference"})
    registry.add(elementwise_kernel("count_elements", device, make));
}

}  // namespace braid
