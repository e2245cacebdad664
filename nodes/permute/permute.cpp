// Permute and Transpose: dimensions in another order.
#include <numeric>

#include <braid/core/registry.h>

#include "einsum/ops.h"
#include "ops/checks.h"
#include "permute/ops.h"

namespace braid {

void register_permute(Registry& registry);

namespace {

using Order = std::vector<size_t>;

size_t resolved(const Builder& b, const Shape& x, int64_t dim) {
  const int64_t rank = int64_t(x.size());
  if (dim < -rank || dim >= rank)
    b.fail(
        "E0231", "dim " + std::to_string(dim) + " does not exist in " + to_string(x),
        "dims of this input go from " + std::to_string(-rank) + " to " + std::to_string(rank - 1));
  return size_t(dim < 0 ? dim + rank : dim);
}

Shape checked_input(const Builder& b, const Call& call) {
  require_f32(b, call, 0);
  const Shape x = b.type(call.in[0]).shape;
  if (x.size() > Contraction::most)
    b.fail("E0278", "the input " + to_string(x) + " has " + std::to_string(x.size()) +
                        " dimensions, and at most " + std::to_string(Contraction::most) +
                        " are permuted");
  return x;
}

void check_batch(const Builder& b, const Shape& x, const Order& order, const std::string& typed) {
  if (x.empty() || !x[0].batched || order[0] == 0) return;
  b.fail("E0232",
         typed + " moves N of " + to_string(x) +
             " to another place than dimension 0: replicas "
             "hold slices of that",
         "leave dimension 0 where it is, and move the others");
}

Order order_of(const Builder& b, const Call& call) {
  const Shape x = checked_input(b, call);
  const std::string typed = "dims " + to_string(*find(call.params, "dims"));
  Order order;
  std::vector<bool> seen(x.size());
  for (int64_t dim : get_ints(call.params, "dims")) {
    order.push_back(resolved(b, x, dim));
    if (seen[order.back()])
      b.fail("E0278",
             typed + " has dimension " + std::to_string(dim) + " of " + to_string(x) + " twice",
             "each dimension of the input has one place in the result");
    seen[order.back()] = true;
  }
  if (order.size() != x.size())
    b.fail("E0278",
           typed + " has " + std::to_string(order.size()) + " of the " + std::to_string(x.size()) +
               " dimensions of " + to_string(x),
           "each dimension of the input has one place in the result");
  check_batch(b, x, order, typed);
  return order;
}

Order swap_of(const Builder& b, const Call& call) {
  const Shape x = checked_input(b, call);
  const int64_t dim0 = get_int(call.params, "dim0"), dim1 = get_int(call.params, "dim1");
  Order order(x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::swap(order[resolved(b, x, dim0)], order[resolved(b, x, dim1)]);
  check_batch(b, x, order,
              "the swap of dims " + std::to_string(dim0) + " and " + std::to_string(dim1));
  return order;
}

Order inverse(const Order& order) {
  Order back(order.size());
  for (size_t d = 0; d < order.size(); ++d) back[order[d]] = d;
  return back;
}

void set_functions(LayerDef& def, Order (*order)(const Builder&, const Call&)) {
  def.forward = [order](Builder& b, Call& c) {
    return std::vector<int>{permute(b, c.in[0], order(b, c))};
  };
  def.gradient = [order](Builder& b, const Call& c, const std::vector<int>& g) {
    const bool needed = g[0] >= 0 && b.needs_gradient(c.in[0]);
    return std::vector<int>{needed ? permute(b, g[0], inverse(order(b, c))) : -1};
  };
}

LayerDef permute_layer() {
  LayerDef def{.name = "Permute",
               .doc =
                   "The dimensions in another order: [N, 3, 8] with dims [0, 2, 1] gives "
                   "[N, 8, 3]. N stays dimension 0.",
               .formula = "y[i_dims[0], i_dims[1], ...] = x[i_0, i_1, ...]",
               .source = "torch.permute",
               .inputs = {{"input", "f32"}},
               .params = {{.name = "dims",
                           .kind = ParamKind::integers,
                           .doc = "for each dimension of the result that of the input; negative "
                                  "ones count from the end"}}};
  set_functions(def, order_of);
  def.samples = {{.inputs = {{DType::f32, {N, 3, 8}}}, .params = {{"dims", Attr::List{0, 2, 1}}}},
                 {.inputs = {{DType::f32, {N, 3, 5, 2, 4}}},
                  .params = {{"dims", Attr::List{0, -1, 2, 1, 3}}},
                  .note = "five dimensions"},
                 {.inputs = {{DType::f32, {N, 1, 6, 3}}},
                  .params = {{"dims", Attr::List{0, 2, 1, 3}}},
                  .note = "a single cell moves, and memory stays as it is"},
                 {.inputs = {{DType::f32, {4, 3}}},
                  .params = {{"dims", Attr::List{1, 0}}},
                  .note = "without a batch"}};
  return def;
}

LayerDef transpose_layer() {
  LayerDef def{.name = "Transpose",
               .doc = "Two dimensions change places. Not the batch.",
               .formula = "y[.., j, .., i, ..] = x[.., i, .., j, ..]",
               .source = "torch.transpose",
               .inputs = {{"input", "f32"}},
               .params = {{.name = "dim0", .doc = "one of them; negative from the end"},
                          {.name = "dim1", .doc = "the other one"}}};
  set_functions(def, swap_of);
  def.samples = {{.inputs = {{DType::f32, {N, 3, 8}}}, .params = {{"dim0", 1}, {"dim1", 2}}},
                 {.inputs = {{DType::f32, {N, 3, 5, 4}}},
                  .params = {{"dim0", -1}, {"dim1", 1}},
                  .note = "two that are no neighbours"}};
  return def;
}

}  // namespace

void register_permute(Registry& registry) {
  registry.add(permute_layer());
  registry.add(transpose_layer());
}

}  // namespace braid
