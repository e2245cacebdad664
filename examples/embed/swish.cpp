// A layer of your own as a plug-in: a file names the library, and every command knows the layer.
//
//   swish.yaml --plugins: [libswish.so]--> Swish --> check, train, draw, schema, layers, ...
//
//   x --my_swish--> y = x·sigmoid(β·x)        g, x --my_swish_grad--> g·dy/dx
//
// braid test-layer Swish --plugins libswish.so     compares kernels, reference and slopes
#include <braid/plugin.h>

#include <cmath>

using namespace braid;

namespace {

// The formulas once: in f32 they are the kernels, in f64 the reference that judges them.
template <class T>
T swish(T x, T beta) {
  return x / (1 + std::exp(-beta * x));
}
template <class T>
T slope(T x, T beta) {
  const T s = 1 / (1 + std::exp(-beta * x));
  return s + beta * x * s * (1 - s);
}

template <class T>
KernelBody forward(const Signature& s) {
  return [n = s.in[0].elements(), beta = T(get_double(s.attrs, "beta"))](const KernelArgs& a) {
    for (int64_t i = 0; i < n; ++i) a.out<T>(0)[i] = swish(a.in<T>(0)[i], beta);
  };
}
template <class T>
KernelBody gradient(const Signature& s) {
  return [n = s.in[0].elements(), beta = T(get_double(s.attrs, "beta"))](const KernelArgs& a) {
    for (int64_t i = 0; i < n; ++i) a.out<T>(0)[i] = a.in<T>(0)[i] * slope(a.in<T>(1)[i], beta);
  };
}

}  // namespace

BRAID_PLUGIN(registry) {
  registry.add(OpDef{.name = "my_swish", .infer = same_type});
  registry.add(OpDef{.name = "my_swish_grad", .infer = same_type});
  registry.add(plain_kernel("my_swish", "cpu", forward<float>));
  registry.add(plain_kernel("my_swish_grad", "cpu", gradient<float>));
  registry.add(plain_kernel("my_swish", "reference", forward<double>));
  registry.add(plain_kernel("my_swish_grad", "reference", gradient<double>));
  registry.add(LayerDef{
      .name = "Swish",
      .doc = "x times its sigmoid, elementwise, with a slope of its own.",
      .formula = "y = x / (1 + exp(-beta x))",
      .source = "Ramachandran et al., Searching for Activation Functions, 2017",
      .inputs = {{"input"}},
      .params = {{.name = "beta", .kind = ParamKind::number, .doc = "the slope", .fallback = 1.0}},
      .forward = [](Builder& b, Call& c) { return b.add("my_swish", c.in, c.params); },
      .gradient =
          [](Builder& b, const Call& c, const std::vector<int>& g) {
            return b.add("my_swish_grad", {g[0], c.in[0]}, c.params);
          },
      .samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}}},
                  {.inputs = {{DType::f32, {N, 6}}}, .params = {{"beta", 1.5}}}}});
}
