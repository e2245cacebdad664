#include "libonnx/import/resampling.h"

#include <algorithm>
#include <cmath>

namespace braid::onnx_import {
namespace {

struct Line {
  int64_t from = 0, to = 0;
  double ratio = 1;
};

double place(const Looks& looks, const Line& line, int64_t x) {
  const double cells = line.ratio * double(line.from);
  if (looks.positions == "asymmetric") return double(x) / line.ratio;
  if (looks.positions == "align_corners")
    return cells == 1 ? 0 : double(x) * double(line.from - 1) / (cells - 1);
  if (looks.positions == "pytorch_half_pixel" && cells == 1) return -0.5;
  if (looks.positions != "half_pixel" && looks.positions != "pytorch_half_pixel")
    cannot("its positions are " + looks.positions);
  return (double(x) + 0.5) / line.ratio - 0.5;
}

/// The next cell's share, where `part` of the way to it lies behind.
double rounded(const std::string& rounding, double part) {
  if (part == 0 || rounding == "floor") return 0;
  if (rounding == "ceil") return 1;
  if (rounding == "round_prefer_ceil") return part >= 0.5;
  if (rounding != "round_prefer_floor") cannot("it rounds by " + rounding);
  return part > 0.5;
}

/// Keys' polynomial of third degree, of four cells around.
Floats cubic(double part, double a) {
  auto outer = [&](double t) { return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a; };
  auto inner = [&](double t) { return ((a + 2) * t - (a + 3)) * t * t + 1; };
  return {outer(part + 1), inner(part), inner(1 - part), outer(2 - part)};
}

/// [to, from]
std::vector<float> shares(Importing& i, const Looks& looks, const Line& line) {
  std::vector<float> all(size_t(line.to * line.from), 0);
  const double a = i.number("cubic_coeff_a", -0.75);
  const bool outside = i.integer("exclude_outside", 0) == 0;
  for (int64_t x = 0; x < line.to; ++x) {
    const double at = place(looks, line, x), part = at - std::floor(at);
    const double next = looks.mode == "nearest" ? rounded(looks.rounding, part) : part;
    Floats parts = looks.mode == "cubic" ? cubic(part, a) : Floats{1 - next, next};
    const int64_t first = int64_t(std::floor(at)) - (looks.mode == "cubic");
    double sum = 0;
    for (size_t k = 0; k < parts.size(); ++k) {
      const int64_t cell = first + int64_t(k);
      if (!outside && (cell < 0 || cell >= line.from)) parts[k] = 0;
      sum += parts[k];
    }
    for (size_t k = 0; k < parts.size(); ++k) {
      const int64_t cell = std::clamp<int64_t>(first + int64_t(k), 0, line.from - 1);
      all[size_t(x * line.from + cell)] += float(outside ? parts[k] : parts[k] / sum);
    }
  }
  return all;
}

Known turned(const Known& matrix) {
  Known to{.dims = {matrix.dims[1], matrix.dims[0]}, .floating = true};
  for (int64_t c = 0; c < matrix.dims[1]; ++c)
    for (int64_t r = 0; r < matrix.dims[0]; ++r)
      to.floats.push_back(matrix.floats[size_t(r * matrix.dims[1] + c)]);
  return to;
}

}  // namespace

void emit_resampling(Importing& i, const Looks& looks, const Floats& ratios, const Ints& sizes) {
  const Shape shape = i.shape();
  if (shape.size() != 4 || ratios.size() != 2 ||
      (looks.mode != "nearest" && looks.mode != "linear" && looks.mode != "cubic"))
    cannot("its mode is " + looks.mode + " in " + std::to_string(shape.size() - 2) + " dimensions");
  Value at = i.operand();
  for (size_t d : {size_t(0), size_t(1)}) {
    Line line{.from = shape[d + 2].value, .ratio = ratios[d]};
    line.to = sizes.empty() ? int64_t(std::floor(ratios[d] * double(line.from))) : sizes[d];
    const auto cells = checked_product(line.to, line.from);
    if (!cells || *cells < 1 || *cells > (1 << 22)) cannot("its size is too large");
    const Known matrix{
        .dims = {line.to, line.from}, .floating = true, .floats = shares(i, looks, line)};
    const std::string name = i.node().output(0) + (d ? ".columns" : ".rows");
    if (d == 0)
      at = i.layer("MatMul", {}, {i.constant(matrix, name), at});
    else
      i.emit("MatMul", {}, {at, i.constant(turned(matrix), name)});
  }
}

}  // namespace braid::onnx_import
