#include "libonnx/import/view.h"

#include <algorithm>
#include <deque>

namespace braid::onnx_import {
namespace {

/// Takes axes off the front until they have `wanted` cells; the last one may have to be cut.
std::optional<Axes> take(std::deque<Axis>& rest, Dim wanted, int64_t batch) {
  Axes taken;
  int64_t missing = wanted.value;
  bool samples = wanted.batched;
  while (missing > 1 || samples) {
    if (rest.empty()) return {};
    Axis axis = rest.front();
    rest.pop_front();
    if (axis.size.batched) {
      const int64_t cells = samples ? axis.size.value : axis.size.at(batch);
      if (cells < 1 || missing % cells) return {};
      missing /= cells;
      samples = false;
    } else if (missing % axis.size.value == 0) {
      missing /= axis.size.value;
    } else {
      if (axis.size.value % missing) return {};
      Axis inner = axis;
      inner.size.value /= missing;
      rest.push_front(inner);
      axis.stride *= inner.size.value;
      axis.size.value = missing;
      missing = 1;
    }
    taken.push_back(axis);
  }
  return taken;
}

/// What -1 stands for beside `others`.
std::optional<Dim> remaining(const std::vector<Axes>& dims, Dim others, int64_t batch) {
  Dim all = size_of({});
  for (auto& axes : dims) {
    const Dim size = size_of(axes);
    all = {all.value * size.value, all.batched || size.batched};
  }
  if (batch > 0) all = Dim(all.at(batch)), others = Dim(others.at(batch));
  if (others.value < 1 || all.value % others.value || (others.batched && !all.batched)) return {};
  return Dim(all.value / others.value, all.batched && !others.batched);
}

}  // namespace

Dim size_of(const Axes& axes) {
  Dim size(1);
  for (auto& axis : axes) size = {size.value * axis.size.value, size.batched || axis.size.batched};
  return size;
}

Shape shape_of(const View& view) {
  Shape shape;
  for (auto& axes : view.dims) shape.push_back(size_of(axes));
  return shape;
}

Axes joined(const Axes& axes) {
  Axes all;
  for (auto& axis : axes) {
    if (axis.size == Dim(1)) continue;
    const bool follows = !all.empty() && all.back().kind == axis.kind && !axis.size.batched &&
                         !all.back().size.batched &&
                         all.back().stride == axis.stride * axis.size.value;
    if (follows) {
      all.back().size.value *= axis.size.value;
      all.back().stride = axis.stride;
    } else {
      all.push_back(axis);
    }
  }
  return all;
}

std::optional<std::vector<Axes>> regrouped(const std::vector<Axes>& dims, const Shape& to,
                                           int64_t batch) {
  Shape wanted = to;
  Dim others(1);
  auto open = wanted.end();
  for (size_t d = 0; d < wanted.size(); ++d) {
    Dim& dim = wanted[d];
    if (!dim.batched && dim.value == -1) {
      if (open != wanted.end()) return {};
      open = wanted.begin() + ptrdiff_t(d);
      continue;
    }
    if (!dim.batched && dim.value == 0) {
      if (d >= dims.size()) return {};
      dim = size_of(dims[d]);
    }
    auto product = checked_product(others.value, dim.value);
    if (!product || *product < 1 || (others.batched && dim.batched)) return {};
    others = {*product, others.batched || dim.batched};
  }
  if (open != wanted.end()) {
    const auto rest = remaining(dims, others, batch);
    if (!rest) return {};
    *open = *rest;
  }
  std::deque<Axis> rest;
  for (auto& axes : dims) rest.insert(rest.end(), axes.begin(), axes.end());
  std::erase_if(rest, [](const Axis& axis) { return axis.size == Dim(1); });
  std::vector<Axes> made;
  for (const Dim& dim : wanted) {
    auto taken = take(rest, dim, batch);
    if (!taken) return {};
    made.push_back(joined(*taken));
  }
  if (!rest.empty()) return {};
  return made;
}

}  // namespace braid::onnx_import
