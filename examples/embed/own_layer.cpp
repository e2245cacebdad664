// A layer of your own, linked into the program: a definition, two operations, two kernels.
//
//   registry + Cube --Session::parse--> x --cube--> y = x³          1 2 3 --> 1 8 27
//                                       g, x --cube_grad--> 3x²·g   1 1 1 --> 3 12 27
//
// The same functions in BRAID_PLUGIN(registry) { ... } are a plug-in: swish.cpp.
#include <braid/nodes/builtin.h>
#include <braid/runtime/session.h>

#include <cstdio>

using namespace braid;

Kernel kernel(const char* op, float (*f)(float a, float b)) {
  return plain_kernel(op, "cpu", [f](const Signature& s) -> KernelBody {
    return [f, n = s.out[0].elements(), last = int(s.in.size()) - 1](const KernelArgs& a) {
      for (int64_t i = 0; i < n; ++i)
        a.out<float>(0)[i] = f(a.in<float>(0)[i], a.in<float>(last)[i]);
    };
  });
}

int main() try {
  Registry registry;
  register_builtin(registry);
  registry.add(OpDef{.name = "cube", .infer = same_type});
  registry.add(OpDef{.name = "cube_grad", .infer = same_type});
  registry.add(kernel("cube", [](float x, float) { return x * x * x; }));
  registry.add(kernel("cube_grad", [](float g, float x) { return 3 * x * x * g; }));
  registry.add(LayerDef{.name = "Cube",
                        .doc = "x to the power of three.",
                        .inputs = {{"input"}},
                        .forward = [](Builder& b, Call& c) { return b.add("cube", c.in); },
                        .gradient =
                            [](Builder& b, const Call& c, const std::vector<int>& g) {
                              return b.add("cube_grad", {g[0], c.in[0]});
                            }});
  Diagnostics found;
  Model model = read_text(R"(braid: 1
replicas: 2
inputs: {x: {shape: [N, 1]}}
layers: [{name: cube, type: Cube, from: x}]
outputs: {y: cube}
)",
                          "net.yaml", {}, found);
  found.raise();
  Session session(std::move(model), {.devices = {"cpu:0", "cpu:1"}}, std::move(registry));
  const Array x = Array::of<float>({3, 1}, std::vector<float>{1, 2, 3});
  const Array ones = Array::of<float>({3, 1}, std::vector<float>{1, 1, 1});
  const auto back = session.backward({{"x", x}}, {{"y", ones}});
  for (auto* array : {&back.outputs.at("y"), &back.inputs.at("x")}) {
    for (float value : array->as<float>()) std::printf("%.0f ", double(value));
    std::printf("\n");
  }
  return 0;
} catch (const Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
