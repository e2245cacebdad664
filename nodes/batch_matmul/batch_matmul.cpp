// MatMul: products of the matrices in the last two dimensions.
#include <algorithm>

#include <braid/core/registry.h>

#include "einsum/ops.h"
#include "ops/checks.h"
#include "ops/reshaped.h"

namespace braid {

void register_batch_matmul(Registry& registry);

namespace {

/// The product as a sum over letters, in which a dimension of one cell that is broadcast has none.
struct Product {
  std::string equation;
  std::array<Shape, 2> seen;  ///< the operands without what is broadcast
  Shape result;
};

std::string shapes(const Shape& a, const Shape& b) {
  return "input is " + to_string(a) + ", other is " + to_string(b);
}

// N is dimension 0 of the result, and of every operand that has it it is the same dimension.
void check_batch(const Builder& b, const Shape& x, const Shape& y) {
  const size_t rank = std::max(x.size(), y.size());
  auto misplaced = [&](const Shape& operand) {
    return operand[0].batched && operand.size() < rank;
  };
  if (!misplaced(x) && !misplaced(y) && !(y[0].batched && rank == 2)) return;
  b.fail("E0232",
         shapes(x, y) + ": N would meet another dimension than N, and replicas hold slices of it",
         "both have N in front of as many dimensions, or one has no N; Unsqueeze puts dimensions "
         "in behind N");
}

Product product_of(const Builder& b, const Call& call) {
  const Shape x = b.type(call.in[0]).shape, y = b.type(call.in[1]).shape;
  for (size_t i = 0; i < 2; ++i) require_f32(b, call, i);
  if (x.size() < 2 || y.size() < 2)
    b.fail("E0201", "MatMul takes matrices in the last two dimensions: " + shapes(x, y),
           "Unsqueeze makes a matrix of one row or one column");
  const size_t rank = std::max(x.size(), y.size());
  if (rank > Contraction::most - 1)
    b.fail("E0203", shapes(x, y) + ": at most " + std::to_string(Contraction::most - 1) +
                        " dimensions are multiplied");
  check_batch(b, x, y);
  const size_t missing[] = {rank - x.size(), rank - y.size()};
  Product p;
  std::string in[2], out;
  for (size_t d = 0; d + 2 < rank; ++d) {
    const Shape* shape[] = {&x, &y};
    Dim all = 1;
    for (size_t k = 0; k < 2; ++k) {
      if (d < missing[k]) continue;
      const Dim own = (*shape[k])[d - missing[k]];
      if (all != Dim(1) && own != Dim(1) && own != all)
        b.fail("E0203", shapes(x, y) + ": they differ in dimension " + std::to_string(d),
               "in front of the matrices sizes under each other are equal or 1");
      if (own != Dim(1)) all = own;
    }
    for (size_t k = 0; k < 2; ++k) {
      if (d < missing[k] || (*shape[k])[d - missing[k]] != all) continue;
      in[k] += char('a' + d);
      p.seen[k].push_back(all);
    }
    out += char('a' + d);
    p.result.push_back(all);
  }
  const Dim rows = x[x.size() - 2], inner = x.back(), columns = y.back();
  if (inner != y[y.size() - 2])
    b.fail("E0203",
           "a row of input has " + to_string(inner) + " cells, a column of other " +
               to_string(y[y.size() - 2]) + ": " + shapes(x, y),
           "Transpose turns matrices around");
  const char row = char('a' + rank), column = char('a' + rank + 1), along = char('a' + rank + 2);
  for (Dim dim : {rows, inner}) p.seen[0].push_back(dim);
  for (Dim dim : {inner, columns}) p.seen[1].push_back(dim);
  for (Dim dim : {rows, columns}) p.result.push_back(dim);
  // What is one cell of both has a letter of both: the result's letters stand in some operand.
  p.equation = in[0] + row + along + "," + in[1] + along + column + "->" + out + row + column;
  return p;
}

std::vector<int> operands_of(Builder& b, const Call& call, const Product& p) {
  return {reshaped(b, call.in[0], p.seen[0]), reshaped(b, call.in[1], p.seen[1])};
}

std::vector<int> forward(Builder& b, Call& call) {
  const Product p = product_of(b, call);
  const auto operands = operands_of(b, call, p);
  call.saved = {{"input", operands[0]}, {"other", operands[1]}};
  return {einsum(b, p.equation, operands)};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  std::vector<int> gradients(2, -1);
  if (g[0] < 0) return gradients;
  const Product p = product_of(b, call);
  const std::vector<int> operands = {call.saved.at("input"), call.saved.at("other")};
  for (size_t i = 0; i < 2; ++i)
    if (b.needs_gradient(call.in[i]))
      gradients[i] =
          reshaped(b, einsum_gradient(b, p.equation, operands, i, g[0]), b.type(call.in[i]).shape);
  return gradients;
}

int64_t flops(const Call& call, const Builder& b) {
  int64_t cells = 2 * b.type(call.in[0]).shape.back().value;
  for (const Dim& dim : b.type(call.out[0]).shape) cells *= dim.value;
  return cells;
}

std::vector<Sample> samples() {
  auto of = [](Shape a, Shape b, std::string note) {
    return Sample{.inputs = {{DType::f32, std::move(a)}, {DType::f32, std::move(b)}},
                  .note = std::move(note)};
  };
  return {of({N, 3, 5}, {N, 5, 4}, "a product for each sample"),
          of({N, 2, 3, 5}, {5, 4}, "the same matrix for all"),
          of({N, 1, 3, 5}, {N, 2, 5, 1}, "one dimension is broadcast"),
          of({2, 3, 5}, {N, 1, 5, 4}, "the first has no batch, and fewer dimensions"),
          of({N, 5}, {5, 4}, "samples are rows"),
          of({N, 1, 1, 3}, {N, 1, 3, 2}, "single rows")};
}

}  // namespace

void register_batch_matmul(Registry& registry) {
  registry.add(LayerDef{
      .name = "MatMul",
      .doc = "Products of matrices, the last two dimensions of both: [N, 3, 5] and [N, 5, 4] give "
             "[N, 3, 4]. What stands in front is broadcast as in NumPy. Sums are in f64, rounded "
             "once.",
      .formula = "y[.., i, k] = sum over j of input[.., i, j] other[.., j, k]",
      .source = "torch.matmul, of inputs with at least two dimensions",
      .inputs = {{"input", "f32 [.., rows, inner]"}, {"other", "f32 [.., inner, columns]"}},
      .forward = forward,
      .gradient = gradient,
      .flops = flops,
      .samples = samples()});
}

}  // namespace braid
