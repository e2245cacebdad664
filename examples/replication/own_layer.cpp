// A simulator of your own as a layer: the network learns to read a decay's law off its curve.
//
//   curve --Linear, Tanh, Linear--> law (a, b) --simulate--> a·exp(-b·t) --MSE-- curve
//                                              <-simulate_back-
//
// Both functions are called once for each replica, on any thread, with its slice of the batch.
#include <braid/runtime/session.h>

#include <cmath>
#include <cstdio>

using namespace braid;

constexpr size_t points = 16;

int main() {
  auto decay = [](float b, size_t t) { return std::exp(-b * float(t) / 8); };
  Hooks hooks;
  hooks.bind("simulate", [&](const HookVisit& v) {
    auto law = v["law"].f32();
    auto y = v["y"].edit();
    for (size_t i = 0; i < y.size(); ++i) {
      auto row = law.subspan(i / points * 2, 2);
      y[i] = row[0] * decay(row[1], i % points);
    }
  });
  hooks.bind("simulate_back", [&](const HookVisit& v) {
    auto law = v["law"].f32(), g = v["grad:y"].f32();
    auto of_law = v["grad:law"].edit();  // begins as zeros
    for (size_t i = 0; i < g.size(); ++i) {
      size_t a = i / points * 2, b = a + 1, t = i % points;
      of_law[a] += g[i] * decay(law[b], t);
      of_law[b] -= g[i] * law[a] * decay(law[b], t) * float(t) / 8;
    }
  });
  auto session = Session::open("own_layer.yaml", {.devices = {"cpu:0", "cpu:1"}, .hooks = hooks});

  Array curves = Array::zeros(DType::f32, {32, points}),
        one = Array::zeros(DType::f32, {1, points});
  auto draw = [&](std::span<float> curve, float a, float b) {
    for (size_t t = 0; t < points; ++t) curve[t] = a * decay(b, t);
  };
  for (size_t i = 0; i < 32; ++i)
    draw(curves.as<float>().subspan(i * points, points), 1 + float(i % 8) / 4,
         0.5f + float(i / 8) / 2);
  for (int step = 0; step < 4000; ++step) session.step({{"curve", curves}});

  draw(one.as<float>(), 2, 1.2f);  // between those that it has seen
  auto law = session.run({{"curve", one}}).at("law");
  std::printf("drawn with  a = 2.0  b = 1.2\nread off    a = %.1f  b = %.1f\n",
              double(law.as<float>()[0]), double(law.as<float>()[1]));
}
