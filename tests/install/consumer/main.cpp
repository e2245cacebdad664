// A Session in ten lines: open, train, run.
#include <braid/runtime/session.h>
#include <braid/runtime/train.h>

#include <cstdio>

int main(int, char** argv) {
  auto session = braid::Session::open(argv[1], {.devices = {"cpu:0", "cpu:1"}});
  auto report = braid::train(session, {.steps = 60});
  auto image = braid::Array::zeros(braid::DType::f32, {3, 64});
  auto logits = session.run({{"image", image}}, {"logits"}).at("logits");
  bool learned = report.metrics.at("accuracy") > 0.5 && logits.dims.at(0) == 3;
  std::printf("%d steps, accuracy %.2f\n", int(report.steps), report.metrics.at("accuracy"));
  return learned ? 0 : 1;
}
