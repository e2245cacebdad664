#include "softmax/softmax.h"

#include "ops/checks.h"
#include "ops/rows.h"

namespace braid {
namespace {

KernelBody make_softmax(const Signature& s) {
  const Rows rows = rows_of(s.in[0].dims, size_t(get_int(s.attrs, "dim")));
  return [rows](const KernelArgs& a) {
    float* y = a.out<float>(0);
    shifted_exp(rows, a.in<float>(0), y);
    for (int64_t o = 0; o < rows.outer; ++o)
      for (int64_t i = 0; i < rows.inner; ++i) {
        float* row = y + rows.first(o, i);
        double z = 0;
        for (int64_t c = 0; c < rows.count; ++c) z += double(row[c * rows.inner]);
        const float share = float(1 / z);
        for (int64_t c = 0; c < rows.count; ++c) row[c * rows.inner] *= share;
      }
  };
}

KernelBody make_gradient(const Signature& s) {
  const Rows rows = rows_of(s.in[0].dims, size_t(get_int(s.attrs, "dim")));
  return [rows](const KernelArgs& a) {
    for (int64_t o = 0; o < rows.outer; ++o)
      for (int64_t i = 0; i < rows.inner; ++i) {
        const int64_t first = rows.first(o, i), step = rows.inner;
        const float *g = a.in<float>(0) + first, *y = a.in<float>(1) + first;
        float* dx = a.out<float>(0) + first;
        double dot = 0;
        for (int64_t c = 0; c < rows.count; ++c) dot += double(g[c * step]) * double(y[c * step]);
        for (int64_t c = 0; c < rows.count; ++c)
          dx[c * step] = y[c * step] * (g[c * step] - float(dot));
      }
  };
}

std::vector<int> forward(Builder& b, Call& c) {
  require_f32(b, c, 0);
  Dict attrs{{"dim", int64_t(resolve_dim(b, b.type(c.in[0]), get_int(c.params, "dim")))}};
  auto y = b.add("softmax", c.in, attrs);
  c.saved["y"] = y[0];
  return y;
}

std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>& g) {
  Dict attrs{{"dim", int64_t(resolve_dim(b, b.type(c.in[0]), get_int(c.params, "dim")))}};
  return b.add("softmax_grad", {g[0], c.saved.at("y")}, attrs);
}

}  // namespace

void register_softmax(Registry& registry) {
  registry.add(OpDef{.name = "softmax", .infer = same_type});
  registry.add(OpDef{.name = "softmax_grad", .infer = same_type});
  registry.add(plain_kernel("softmax", "cpu", make_softmax));
  registry.add(plain_kernel("softmax_grad", "cpu", make_gradient));
  register_softmax_references(registry);
  registry.add(LayerDef{
      .name = "Softmax",
      .doc = "Exponentials along one dimension, scaled to a sum of 1. Not over the batch.",
      .formula = "y_c = exp(x_c) / sum_k exp(x_k)",
      .source = "Bridle, Probabilistic Interpretation of Feedforward Classification Network "
                "Outputs, 1990",
      .inputs = {{"input", "any shape"}},
      .params = {{.name = "dim",
                  .kind = ParamKind::integer,
                  .doc = "the dimension whose elements sum to 1; -1 is the last"}},
      .forward = forward,
      .gradient = gradient,
      .samples = {
          {.inputs = {{DType::f32, {N, 10}}}, .params = {{"dim", 1}}},
          {.inputs = {{DType::f32, {N, 3, 7, 5}}}, .params = {{"dim", 1}}, .note = "over channels"},
          {.inputs = {{DType::f32, {N, 1, 7, 5}}},
           .params = {{"dim", -1}},
           .note = "over columns, one channel"}}});
}

}  // namespace braid
