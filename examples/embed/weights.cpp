// Weights out of a session and into another, by PyTorch's names: looked at, changed, exchanged.
//
//   Session a --weights()--> {"fc1.weight": f32 [32, 64], ...} --set_weights()--> Session b
#include <braid/runtime/session.h>

#include <cstdio>

using braid::Session;

int main(int argc, char** argv) try {
  const char* path = argc > 1 ? argv[1] : "examples/digits/digits.yaml";
  Session a = Session::open(path), b = Session::open(path, {}, {.seed = 9});
  auto weights = a.weights();
  for (auto& [key, tensor] : weights)
    std::printf("%s %s\n", key.c_str(), to_string(tensor).c_str());
  for (float& w : weights.at("fc2.bias").as<float>()) w = 0.5F;
  b.set_weights(weights);
  weights.erase("fc1.weight");
  try {
    b.set_weights(weights, "half a network");
  } catch (const braid::Error& error) {
    std::printf("%s\n", error.diagnostics()[0].message.c_str());
    return b.weights().at("fc2.bias").as<float>()[9] == 0.5F ? 0 : 1;
  }
  return 1;
} catch (const braid::Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
