// Pooling. PyTorch's ceil_mode leaves a last window out that begins in the padding, which ONNX's
// does not say: where sizes are known, cells are added at the end instead, so that rounding down
// gives as many windows.
#include <algorithm>

#include "libonnx/export/exporting.h"

namespace braid::onnx_export {
namespace {

struct Windows {
  size_t n;
  Ints kernel, stride, padding, dilation;
  bool ceil;
};

Windows windows(const Exporting& e) {
  const size_t n = e.rank() - 2;
  Windows w{n,
            e.ints("kernel_size", n),
            e.ints("stride", n),
            e.ints("padding", n),
            e.ints("dilation", n),
            get_bool(e.params(), "ceil_mode")};
  if (w.stride.empty()) w.stride = w.kernel;
  if (w.dilation.empty()) w.dilation.assign(n, 1);
  if (w.padding.empty()) w.padding.assign(n, 0);
  return w;
}

/// Cells that the last window hangs over the end of the padded value.
Ints overhang(const Exporting& e, const Windows& w) {
  Ints over(w.n, 0);
  if (!w.ceil) return over;
  for (size_t d = 0; d < w.n; ++d) {
    const int64_t size = known(e.shape()[2 + d], "the overhang of ceil_mode");
    const int64_t reach =
        (e.result()[2 + d].value - 1) * w.stride[d] + w.dilation[d] * (w.kernel[d] - 1) + 1;
    over[d] = std::max<int64_t>(0, reach - size - 2 * w.padding[d]);
  }
  return over;
}

Ints joined(const Ints& a, const Ints& b) {
  Ints all = a;
  all.insert(all.end(), b.begin(), b.end());
  return all;
}

Ints sum(Ints a, const Ints& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

void max_pool(Exporting& e) {
  const Windows w = windows(e);
  Attributes attributes{{"kernel_shape", list(w.kernel)},
                        {"strides", list(w.stride)},
                        {"pads", list(joined(w.padding, sum(w.padding, overhang(e, w))))}};
  if (std::ranges::any_of(w.dilation, [](int64_t d) { return d != 1; }))
    attributes.push_back({"dilations", list(w.dilation)});
  e.emit("MaxPool", {e.in()}, attributes);
}

// The overhang counts in no mean, the padding may: then it is put there first.
void avg_pool(Exporting& e) {
  Windows w = windows(e);
  const Ints over = overhang(e, w);
  const bool hangs = std::ranges::any_of(over, [](int64_t o) { return o > 0; });
  bool counts = get_bool(e.params(), "count_include_pad", true);
  std::string in = e.in();
  if (hangs && counts && std::ranges::any_of(w.padding, [](int64_t p) { return p > 0; })) {
    const Ints none(2, 0), one_side = joined(none, w.padding);
    in = e.node("Pad", {in, e.integers(joined(one_side, one_side)), e.scalar(0)});
    w.padding.assign(w.n, 0);
  }
  if (hangs) counts = false;
  e.emit("AveragePool", {in},
         {{"kernel_shape", list(w.kernel)},
          {"strides", list(w.stride)},
          {"pads", list(joined(w.padding, sum(w.padding, over)))},
          {"count_include_pad", counts}});
}

/// [to, from]: row i has the shares of the cells whose mean is cell i.
std::vector<float> means(int64_t from, int64_t to) {
  std::vector<float> shares(size_t(from * to), 0);
  for (int64_t i = 0; i < to; ++i) {
    const int64_t begin = i * from / to, end = ((i + 1) * from + to - 1) / to;
    for (int64_t k = begin; k < end; ++k)
      shares[size_t(i * from + k)] = float(1.0 / double(end - begin));
  }
  return shares;
}

std::vector<float> transposed(const std::vector<float>& a, int64_t rows, int64_t columns) {
  std::vector<float> t(a.size());
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t k = 0; k < columns; ++k) t[size_t(k * rows + i)] = a[size_t(i * columns + k)];
  return t;
}

// Windows of different sizes are sums with constant shares along each dimension.
void uneven(Exporting& e, const Ints& from, const Ints& to) {
  std::string value = e.in();
  if (from.size() == 2)
    value = e.node("MatMul", {e.floats(means(from[0], to[0]), {to[0], from[0]}), value});
  const int64_t a = from.back(), b = to.back();
  e.emit("MatMul", {value, e.floats(transposed(means(a, b), b, a), {a, b})});
}

void adaptive_avg_pool(Exporting& e) {
  const size_t n = e.rank() - 2;
  const Ints to = e.ints("output_size", n);
  if (std::ranges::all_of(to, [](int64_t t) { return t == 1; }))
    return e.emit("GlobalAveragePool", {e.in()});
  Ints from, kernel;
  bool even = true;
  for (size_t d = 0; d < n; ++d) {
    from.push_back(known(e.shape()[2 + d], "the size of its windows"));
    kernel.push_back(from[d] / to[d]);
    even &= from[d] % to[d] == 0;
  }
  if (!even) return uneven(e, from, to);
  e.emit("AveragePool", {e.in()}, {{"kernel_shape", list(kernel)}, {"strides", list(kernel)}});
}

}  // namespace

void add_pooling(Exporters& table) {
  for (const char* type : {"MaxPool1d", "MaxPool2d", "MaxPool3d"})
    table[type] = {max_pool, "MaxPool"};
  for (const char* type : {"AvgPool1d", "AvgPool2d", "AvgPool3d"})
    table[type] = {avg_pool, "AveragePool; Pad where ceil_mode meets padding"};
  for (const char* type : {"AdaptiveAvgPool1d", "AdaptiveAvgPool2d"})
    table[type] = {adaptive_avg_pool, "GlobalAveragePool, AveragePool or MatMul"};
}

}  // namespace braid::onnx_export
