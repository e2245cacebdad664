#include "normalize/normalize.h"

#include <algorithm>

#include "ops/checks.h"

namespace braid {
namespace {

/// Both kinds of CPU kernels, which differ in the type of their numbers.
template <class T>
KernelBody make_forward(const Signature& s) {
  const Rows rows = rows_of(s.in[0].dims, size_t(get_int(s.attrs, "dim")));
  return [rows, r = NormalizeRule(s.attrs)](const KernelArgs& a) {
    for (int64_t o = 0; o < rows.outer; ++o)
      for (int64_t i = 0; i < rows.inner; ++i) {
        const int64_t first = rows.first(o, i), step = rows.inner;
        const T* x = a.in<T>(0) + first;
        T* y = a.out<T>(0) + first;
        double sum = 0;
        for (int64_t c = 0; c < rows.count; ++c) sum += r.norm.power(double(x[c * step]));
        const double by = std::max(r.norm.root(sum), r.eps);
        for (int64_t c = 0; c < rows.count; ++c) y[c * step] = T(double(x[c * step]) / by);
      }
  };
}

template <class T>
KernelBody make_gradient(const Signature& s) {
  const Rows rows = rows_of(s.in[0].dims, size_t(get_int(s.attrs, "dim")));
  return [rows, r = NormalizeRule(s.attrs)](const KernelArgs& a) {
    for (int64_t o = 0; o < rows.outer; ++o)
      for (int64_t i = 0; i < rows.inner; ++i) {
        const int64_t first = rows.first(o, i), step = rows.inner;
        const T *g = a.in<T>(0) + first, *x = a.in<T>(1) + first;
        T* dx = a.out<T>(0) + first;
        double sum = 0, dot = 0;
        for (int64_t c = 0; c < rows.count; ++c) {
          sum += r.norm.power(double(x[c * step]));
          dot += double(g[c * step]) * double(x[c * step]);
        }
        const double norm = r.norm.root(sum);
        for (int64_t c = 0; c < rows.count; ++c)
          dx[c * step] = T(normalize_slope(r, norm, dot, double(g[c * step]), double(x[c * step])));
      }
  };
}

Dict attrs_of(const Builder& b, const Call& c) {
  Dict attrs = c.params;
  set(attrs, "dim", int64_t(resolve_dim(b, b.type(c.in[0]), get_int(c.params, "dim"))));
  return attrs;
}

LayerDef layer() {
  const Type image{DType::f32, {N, 3, 7, 5}};
  return {.name = "Normalize",
          .doc =
              "Scales each row along one dimension to a p-norm of 1, as PyTorch's "
              "torch.nn.functional.normalize. Not over the batch.",
          .formula = "y = x / max(sum(|x|^p over dim)^(1/p), eps)",
          .source = "torch.nn.functional.normalize",
          .inputs = {{"input", "f32 of any shape"}},
          .params = {{.name = "p",
                      .kind = ParamKind::number,
                      .doc = "which norm; 2 is the length",
                      .fallback = 2.0,
                      .min = 0,
                      .min_exclusive = true},
                     {.name = "dim",
                      .kind = ParamKind::integer,
                      .doc = "the dimension along which a row runs; -1 is the last",
                      .fallback = 1},
                     {.name = "eps",
                      .kind = ParamKind::number,
                      .doc = "the least that is divided by",
                      .fallback = 1e-12,
                      .min = 0,
                      .min_exclusive = true}},
          .forward =
              [](Builder& b, Call& c) {
                require_f32(b, c, 0);
                return b.add("p_normalize", c.in, attrs_of(b, c));
              },
          .gradient =
              [](Builder& b, const Call& c, const std::vector<int>& g) {
                return b.add("p_normalize_grad", {g[0], c.in[0]}, attrs_of(b, c));
              },
          .samples = {{.inputs = {{DType::f32, {N, 10}}}},
                      {.inputs = {image}, .params = {{"p", 1}}, .note = "over channels"},
                      {.inputs = {image},
                       .params = {{"p", 3.5}, {"dim", -1}},
                       .note = "another norm, over columns"},
                      {.inputs = {{DType::f32, {N, 70}}}, .note = "rows longer than a warp"},
                      {.inputs = {image},
                       .params = {{"eps", 2.5}},
                       .note = "some rows are too short to be scaled to 1"}}};
}

}  // namespace

void register_normalize(Registry& registry) {
  registry.add(OpDef{.name = "p_normalize", .infer = same_type});
  registry.add(OpDef{.name = "p_normalize_grad", .infer = same_type});
  registry.add(plain_kernel("p_normalize", "cpu", make_forward<float>));
  registry.add(plain_kernel("p_normalize_grad", "cpu", make_gradient<float>));
  registry.add(plain_kernel("p_normalize", "reference", make_forward<double>));
  registry.add(plain_kernel("p_normalize_grad", "reference", make_gradient<double>));
  registry.add(layer());
}

}  // namespace braid
