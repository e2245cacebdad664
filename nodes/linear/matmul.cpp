#include "linear/matmul.h"

#include <algorithm>

#include <braid/core/error.h>

#include "onednn/kernel.h"

namespace braid {
namespace {

std::vector<Type> matmul_type(const Dict& attrs, std::span<const Type> in) {
  bool ta = get_bool(attrs, "transpose_a"), tb = get_bool(attrs, "transpose_b");
  const Shape &a = in[0].shape, &b = in[1].shape;
  Shape out;
  if (ta) {
    ensure(!tb && a.size() == b.size() && std::equal(a.begin(), a.end() - 1, b.begin()),
           "matmul: with transpose_a both inputs have the same rows");
    out = {a.back(), b.back()};
  } else {
    ensure(b.size() == 2 && a.size() >= 2 && a.back() == b[tb ? 1 : 0],
           "matmul: the inner dimensions differ");
    out = a;
    out.back() = b[tb ? 0 : 1];
  }
  return {{in[0].dtype, std::move(out)}};
}

std::optional<Offer> matmul_offer(const Signature& s) {
  using onednn::Dims;
  auto [rows, inner, columns, ta, tb, bias] = matmul_size(s);
  if (rows == 0 || inner == 0 || columns == 0) return {};  // oneDNN divides by them
  auto matrix = [](int64_t m, int64_t n, bool transposed) {
    return onednn::Description({m, n}, dnnl::memory::data_type::f32,
                               transposed ? Dims{1, m} : Dims{n, 1});
  };
  auto a = matrix(rows, inner, ta), b = matrix(inner, columns, tb),
       y = matrix(rows, columns, false);
  auto add = onednn::plain({1, columns});
  auto desc = bias ? dnnl::matmul::desc(a, b, add, y) : dnnl::matmul::desc(a, b, y);
  onednn::Sequence sequence;
  auto make = [&] {
    return dnnl::matmul::primitive_desc(desc, onednn::attributes(), sequence.engine());
  };
  auto pd = onednn::choose(make, [](auto& found) { return onednn::reluctance(found) == 0; });
  if (!pd) return {};  // ours is asked next: its bits do not depend on the batch
  std::vector<onednn::Argument> arguments = {{DNNL_ARG_SRC, onednn::input(0)},
                                             {DNNL_ARG_WEIGHTS, onednn::input(1)},
                                             {DNNL_ARG_DST, onednn::output(0)}};
  if (bias) arguments.push_back({DNNL_ARG_BIAS, onednn::input(2)});
  sequence.add(*pd, std::move(arguments));
  return sequence.offer(std::vector<Format>(s.in.size()), {Format{}});
}

std::vector<Type> column_sum_type(const Dict&, std::span<const Type> in) {
  return {{in[0].dtype, {in[0].shape.back()}}};
}

// Sums in f64, a strip of columns at a time: the strip's sums stay in registers or L1.
KernelBody column_sum(const Signature& s) {
  int64_t columns = s.in[0].dims.back(), rows = s.in[0].elements() / columns;
  return [rows, columns](const KernelArgs& args) {
    constexpr int64_t strip = 64;
    auto g = args.in<float>(0);
    auto sums = args.out<float>(0);
    for (int64_t begin = 0; begin < columns; begin += strip) {
      int64_t width = std::min(strip, columns - begin);
      double sum[strip] = {};
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t i = 0; i < width; ++i) sum[i] += g[row * columns + begin + i];
      for (int64_t i = 0; i < width; ++i) sums[begin + i] = float(sum[i]);
    }
  };
}

}  // namespace

void register_matmul(Registry& registry) {
  registry.add(OpDef{.name = "matmul", .infer = matmul_type, .merge = "sum"});
  registry.add(OpDef{.name = "column_sum", .infer = column_sum_type, .merge = "sum"});
  registry.add(onednn::kernel("matmul", matmul_offer));
  registry.add(plain_kernel("column_sum", "cpu", column_sum));
}

}  // namespace braid
