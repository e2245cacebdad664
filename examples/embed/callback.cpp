// A function of the program as a layer: it gets the values and makes the layer's outputs.
//
//   x --Callback "clamp"--> y in [-1, 1] --Linear--> ...
//        |
//        +-- of the wrong shape: an error with layer and line; the session goes on
#include <braid/runtime/session.h>

#include <algorithm>
#include <cstdio>

using namespace braid;

int main() try {
  bool wrong = false;
  Hooks hooks;
  hooks.bind("clamp", [&](const HookVisit& v) {
    if (wrong) v["y"].assign(Array::zeros(DType::f32, {1, 1}));
    std::ranges::transform(v["x"].f32(), v["y"].edit().begin(),
                           [](float x) { return std::clamp(x, -1.0F, 1.0F); });
  });
  auto session = Session::parse(R"(braid: 1
inputs: {x: {shape: [N, 3]}}
layers:
  - {name: clamp, type: Callback, call: clamp, from: x, ports: {in: [x], out: {y: [N, 3]}}}
outputs: {y: clamp}
)",
                                "net.yaml", {.hooks = hooks});
  const Array x = Array::of<float>({1, 3}, std::vector<float>{-7, 0.5F, 7});
  for (int pass = 0; pass < 3; ++pass) {
    wrong = pass == 1;
    try {
      const Array y = session.run({{"x", x}}).at("y");
      for (float value : y.as<float>()) std::printf("%.1f ", double(value));
      std::printf("\n");
    } catch (const Error& error) {
      const Diagnostic& d = error.diagnostics().front();
      std::printf("%s:%d [%s] %s\n", d.mark.source->name.c_str(), d.mark.line, d.code.c_str(),
                  d.message.c_str());
    }
  }
  return 0;
} catch (const Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
