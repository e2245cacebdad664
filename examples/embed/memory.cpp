// A network and weights that never are files on the user's disk: here both lie "encrypted" in the
// program's memory, as they could in a resource or a database.
//
//   0x31 0x27 ... --decrypt--> text    --parse-------->  Session
//   0x9c 0x5b ... --decrypt--> weights --load_weights-->    |
//                                            run  -->  the same numbers
#include <braid/runtime/session.h>

#include <cstdio>
#include <fstream>
#include <iterator>

namespace {

constexpr unsigned char key = 0x5a;  // a program of yours uses a cipher

template <class Bytes>
Bytes crypt(Bytes bytes) {
  using Byte = typename Bytes::value_type;
  for (auto& b : bytes) b = Byte(static_cast<unsigned char>(b) ^ key);
  return bytes;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string path = argc > 1 ? argv[1] : "examples/digits/digits.yaml";
  // What the vendor does:
  std::ifstream file(path);
  const std::string secret_text = crypt(std::string(std::istreambuf_iterator<char>(file), {}));
  auto original = braid::Session::open(path);
  const std::vector<std::byte> secret_weights = crypt(original.save_weights());
  // What the user's program does:
  auto session = braid::Session::parse(crypt(secret_text), "the model");
  session.load_weights(crypt(secret_weights), "its weights");

  auto image = braid::Array::zeros(braid::DType::f32, {1, 64});
  const bool same = session.run({{"image", image}}) == original.run({{"image", image}});
  std::printf("%zu bytes of weights, %s\n", secret_weights.size(), same ? "same" : "different");
  return same ? 0 : 1;
} catch (const braid::Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
