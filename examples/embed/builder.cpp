// A network written in C++ instead of YAML, and trained on numbers of the program's own.
//
//   x [N, 2] --> fc1 --> tanh --> fc2 --> loss <-- class [N]
//                                  |
//                                  +--> scores [N, 2]
#include <braid/core/network.h>
#include <braid/runtime/session.h>

#include <cstdio>

using braid::Array, braid::DType, braid::Link, braid::N;

int main() try {
  braid::Network net("xor");
  net.batch(4).seed(1);
  const Link x = net.input("x", DType::f32, {N, 2});
  const Link wanted = net.input("class", DType::i64, {N});
  Link h = net.layer("fc1", "Linear", x, {{"out_features", 8}});
  h = net.layer("tanh", "Tanh", h);
  h = net.layer("fc2", "Linear", h, {{"out_features", 2}});
  net.output("scores", h).loss("CrossEntropy", {h, wanted}).optimizer("SGD", {{"lr", 0.5}});

  braid::Session session(net.model());
  const auto points = Array::of<float>({4, 2}, std::vector<float>{0, 0, 0, 1, 1, 0, 1, 1});
  const auto classes = Array::of<int64_t>({4}, std::vector<int64_t>{0, 1, 1, 0});
  double loss = 0;
  for (int step = 0; step < 500; ++step)
    loss = session.step({{"x", points}, {"class", classes}}).loss;

  const auto scores = session.run({{"x", points}}).at("scores");
  int right = 0;
  for (size_t i = 0; i < 4; ++i) {
    auto row = scores.as<float>().subspan(2 * i, 2);
    right += (row[1] > row[0]) == (classes.as<int64_t>()[i] == 1);
  }
  std::printf("loss %.3f, %d of 4 right\n", loss, right);
  return right == 4 ? 0 : 1;
} catch (const braid::Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
