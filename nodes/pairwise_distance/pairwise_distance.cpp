#include "pairwise_distance/pairwise_distance.h"

#include "ops/checks.h"

namespace braid {
namespace {

/// Both kinds of CPU kernels, which differ in the type of their numbers.
template <class T>
KernelBody make_forward(const Signature& s) {
  const int64_t count = s.in[0].dims.back(), rows = s.out[0].elements();
  return [=, r = DistanceRule(s.attrs)](const KernelArgs& a) {
    const T *x1 = a.in<T>(0), *x2 = a.in<T>(1);
    for (int64_t row = 0; row < rows; ++row, x1 += count, x2 += count) {
      double sum = 0;
      for (int64_t c = 0; c < count; ++c) sum += r.norm.power(r.off(double(x1[c]), double(x2[c])));
      a.out<T>(0)[row] = T(r.norm.root(sum));
    }
  };
}

template <class T>
KernelBody make_gradient(const Signature& s) {
  const int64_t count = s.in[1].dims.back(), rows = s.in[0].elements();
  return [=, r = DistanceRule(s.attrs)](const KernelArgs& a) {
    for (int64_t row = 0; row < rows; ++row) {
      const double g = r.sign * double(a.in<T>(0)[row]), norm = double(a.in<T>(3)[row]);
      const T *x1 = a.in<T>(1) + row * count, *x2 = a.in<T>(2) + row * count;
      T* dx = a.out<T>(0) + row * count;
      for (int64_t c = 0; c < count; ++c)
        dx[c] = T(g * r.norm.slope(r.off(double(x1[c]), double(x2[c])), norm));
    }
  };
}

std::vector<int> forward(Builder& b, Call& c) {
  for (size_t i : {0, 1}) require_f32(b, c, i);
  const Type x1 = b.type(c.in[0]), x2 = b.type(c.in[1]);
  if (x1.shape != x2.shape)
    b.fail("E0203",
           "PairwiseDistance's inputs disagree: x1 is " + to_string(x1.shape) + ", x2 is " +
               to_string(x2.shape),
           "both inputs must have the same shape");
  resolve_dim(b, x1, -1);  // not over the batch
  auto y = b.add("pairwise_distance", c.in, c.params);
  c.saved["distance"] = y[0];
  return y;
}

std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>& g) {
  std::vector<int> dx{-1, -1};
  for (size_t i : {0, 1}) {
    if (!b.needs_gradient(c.in[i])) continue;
    Dict attrs = c.params;
    set(attrs, "negative", i == 1);
    dx[i] = b.one("pairwise_distance_grad", {g[0], c.in[0], c.in[1], c.saved.at("distance")},
                  std::move(attrs));
  }
  return dx;
}

LayerDef layer() {
  const Type row{DType::f32, {N, 10}}, tokens{DType::f32, {N, 4, 70}};
  return {.name = "PairwiseDistance",
          .doc = "The p-norm of the difference of two rows, the last dimension of each input.",
          .formula = "y = sum(|x1 - x2 + eps|^p over the last dim)^(1/p)",
          .source = "torch.nn.PairwiseDistance",
          .inputs = {{"x1", "f32 [N, ..., row]"}, {"x2", "of the same shape"}},
          .params = {{.name = "p",
                      .kind = ParamKind::number,
                      .doc = "which norm; 2 is the length",
                      .fallback = 2.0,
                      .min = 0,
                      .min_exclusive = true},
                     {.name = "eps",
                      .kind = ParamKind::number,
                      .doc = "added to each difference, so that the slope is one everywhere",
                      .fallback = 1e-6},
                     {.name = "keepdim",
                      .kind = ParamKind::boolean,
                      .doc = "keeps the last dimension with size 1",
                      .fallback = false}},
          .forward = forward,
          .gradient = gradient,
          .samples = {{.inputs = {row, row}},
                      {.inputs = {row, row}, .params = {{"p", 1}, {"keepdim", true}}},
                      {.inputs = {tokens, tokens},
                       .params = {{"p", 3.5}, {"eps", 0.1}},
                       .note = "another norm, several rows a sample"}}};
}

std::vector<Type> infer(const Dict& attrs, std::span<const Type> in) {
  Type out = in[0];
  out.shape.pop_back();
  if (get_bool(attrs, "keepdim")) out.shape.push_back(1);
  return {out};
}

}  // namespace

void register_pairwise_distance(Registry& registry) {
  registry.add(OpDef{.name = "pairwise_distance", .infer = infer});
  registry.add(OpDef{
      .name = "pairwise_distance_grad",
      .infer = [](const Dict&, std::span<const Type> in) { return std::vector<Type>{in[1]}; }});
  registry.add(plain_kernel("pairwise_distance", "cpu", make_forward<float>));
  registry.add(plain_kernel("pairwise_distance_grad", "cpu", make_gradient<float>));
  registry.add(plain_kernel("pairwise_distance", "reference", make_forward<double>));
  registry.add(plain_kernel("pairwise_distance_grad", "reference", make_gradient<double>));
  registry.add(layer());
}

}  // namespace braid
