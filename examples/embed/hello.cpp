// A network inside a C++ program: open it, give it three pictures, look at the answer.
//
//   digits.yaml --open--> Session
//                            |
//   image [3, 64] ---run-----+--> logits [3, 10]
//
//   ./hello examples/digits/digits.yaml
#include <braid/runtime/session.h>

#include <cstdio>

int main(int argc, char** argv) try {
  auto session = braid::Session::open(argc > 1 ? argv[1] : "examples/digits/digits.yaml");
  auto image = braid::Array::zeros(braid::DType::f32, {3, 64});  // any batch size: here three
  auto logits = session.run({{"image", image}}, {"logits"}).at("logits");
  std::printf("%s: %s\n", session.model().name.c_str(), to_string(logits).c_str());
} catch (const braid::Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
