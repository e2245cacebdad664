#include "grid_sample/ops.h"

#include <braid/core/error.h>

namespace braid {
namespace {

std::vector<Type> sample_type(const Dict&, std::span<const Type> in) {
  const Shape &x = in[0].shape, &grid = in[1].shape;
  ensure(x.size() == grid.size() && x[0] == grid[0], "grid_sample: input and grid do not fit");
  Shape y = {x[0], x[1]};
  y.insert(y.end(), grid.begin() + 1, grid.end() - 1);
  return {{in[0].dtype, y}};
}

std::vector<Type> input_type(const Dict& attrs, std::span<const Type> in) {
  Shape x = {in[1].shape[0], in[1].shape[1]};
  for (int64_t cells : get_ints(attrs, "input_size")) x.push_back(cells);
  return {{in[1].dtype, x}};
}

std::vector<Type> grid_type(const Dict&, std::span<const Type> in) { return {in[1]}; }

}  // namespace

GridRule grid_rule(const Dict& attrs) {
  return {get_text(attrs, "mode") == "nearest", get_text(attrs, "padding_mode") == "border",
          get_bool(attrs, "align_corners")};
}

GridSize grid_size(const Operand& x, const Operand& grid) {
  const int axes = int(x.dims.size()) - 2;
  GridSize s{x.dim(0), x.dim(1), axes, {1, 1, 1}, 1, 1};
  for (int a = 0; a < axes; ++a) {
    s.cells[a] = x.dims[x.dims.size() - 1 - size_t(a)];
    s.inputs *= s.cells[a];
    s.results *= grid.dim(size_t(a) + 1);
  }
  return s;
}

void register_grid_sample_ops(Registry& registry) {
  registry.add(OpDef{.name = "grid_sample", .infer = sample_type});
  registry.add(OpDef{.name = "grid_sample_grad_input", .infer = input_type});
  registry.add(OpDef{.name = "grid_sample_grad_grid", .infer = grid_type});
}

}  // namespace braid
