// A network inside a C++ program: open a file, train it, run it.
//
//   digits.yaml --open--> Session --train--> weights --run--> logits
//
//   ./build/release/bin/embed examples/digits/digits.yaml
#include <algorithm>
#include <cstdio>

#include <braid/runtime/session.h>
#include <braid/runtime/train.h>

int main(int argc, char** argv) try {
  auto session = braid::Session::open(argc > 1 ? argv[1] : "examples/digits/digits.yaml");
  auto report = braid::train(session, {.on_event = [](const braid::TrainEvent& event) {
                               if (event.kind == braid::TrainEvent::Kind::eval)
                                 std::printf("epoch %d: accuracy %.3f\n", int(event.epoch),
                                             event.metrics.at("accuracy"));
                             }});
  auto image = braid::Array::zeros(braid::DType::f32, {3, 64});  // any batch size: here three
  auto logits = session.run({{"image", image}}, {"logits"}).at("logits");
  auto first = logits.as<float>().first(10);
  std::printf("after %d steps, a blank image looks most like a %d\n", int(report.steps),
              int(std::ranges::max_element(first) - first.begin()));
} catch (const braid::Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
