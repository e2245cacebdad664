// Single layers, losses and optimizers beside PyTorch: the layer's output in eval mode, and after
// some steps the loss, the statistics, and the gradients (the momentum buffer after one step) or
// the weights.
#include "runtime/parity.h"

namespace braid::test {
namespace {

constexpr int64_t batch = 11, features = 4, classes = 5;
constexpr uint64_t first_batch = 400000;

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (auto& file : std::filesystem::directory_iterator(parity_folder() + "cases"))
    out.push_back(file.path().stem());
  std::ranges::sort(out);
  return out;
}

Tensors inputs_of(uint64_t step) {
  std::vector<float> z;
  for (double u : draw(kImages + first_batch + step, batch * features))
    z.push_back(float((u - 0.5) * 4));
  return {{"z", Array::of({batch, features}, z)},
          {"label", Array::of({batch}, labels(first_batch + step, batch, classes))}};
}

class ParityCase : public testing::TestWithParam<std::string> {
 protected:
  void check(int64_t replicas) {
    static const TensorFile file = read_safetensors(parity_folder() + "cases.safetensors");
    name_ = GetParam();
    auto session =
        Session::open(parity_folder() + "cases/" + name_ + ".yaml", {}, {.replicas = replicas});
    session.restore({.step = 0, .tensors = drawn_state(session)});
    compare(file, "output", session.run({{"z", inputs_of(0).at("z")}}, {"layer"}).at("layer"));
    double loss = 0;
    uint64_t steps = std::stoul(file.metadata.at(name_));
    for (uint64_t i = 0; i < steps; ++i) loss = session.step(inputs_of(i)).loss;
    compare(file, "loss", Array::of({}, std::vector<double>{loss}));
    for (auto& [key, got] : session.state().all())
      if (file.tensors.contains(name_ + "/expected." + key)) compare(file, key, got);
    EXPECT_EQ(compared_, expected(file));
  }

 private:
  void compare(const TensorFile& file, const std::string& key, const Array& got) {
    auto& tensors = file.tensors;
    expect_as_good(thin(got), to_doubles(tensors.at(name_ + "/expected." + key)),
                   number(tensors.at(name_ + "/error." + key)), name_ + ": " + key);
    ++compared_;
  }

  int expected(const TensorFile& file) const {
    int count = 0;
    for (auto& [key, unused] : file.tensors) count += key.starts_with(name_ + "/expected.");
    return count;
  }

  std::string name_;
  int compared_ = 0;
};

INSTANTIATE_TEST_SUITE_P(All, ParityCase, testing::ValuesIn(names()),
                         [](auto& info) { return info.param; });

TEST_P(ParityCase, one_replica) { check(1); }
TEST_P(ParityCase, four_replicas) { check(4); }

}  // namespace
}  // namespace braid::test
