#include <gtest/gtest.h>

#include <cmath>

#include "cuda/rig.h"

namespace braid::test {
namespace {

TensorPtr tensor(DType dtype, std::vector<int64_t> dims, const Numbers& numbers = {}) {
  auto t = std::make_shared<Tensor>(Operand{dtype, std::move(dims)});
  if (!numbers.empty()) t->assign(numbers);
  return t;
}

TEST(Rig, RunsPartsOfUnlikeSizesInOneLaunch) {
  Rig rig;
  std::vector<CudaPart> parts;
  for (int64_t n : {1, 5, 4099}) {
    Numbers x(size_t(n), 0.0);
    for (size_t i = 0; i < x.size(); ++i) x[i] = double(int(i % 7)) - 3;
    parts.push_back({.in = {tensor(DType::f32, {n}, x)}, .out = {tensor(DType::f32, {n})}});
  }
  auto done = rig.run("relu", parts);
  EXPECT_TRUE(done.ganged);
  EXPECT_EQ(done.status, std::vector<int64_t>(3));
  for (auto& part : parts) {
    const Numbers x = part.in[0]->numbers(), y = part.out[0]->numbers();
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_EQ(y[i], std::max(x[i], 0.0)) << i << " of " << x.size();
  }
}

TEST(Rig, CountsWhatIsNotFinite) {
  Rig rig;
  Device& d = rig.device();
  std::vector<float> x(1000, 1.f);
  x[3] = x[999] = NAN;
  x[500] = INFINITY;
  void* values = d.allocate(4000);
  void* counts = d.allocate(24);
  d.write(values, x.data(), 4000);
  d.count_not_finite(d.queue(0), DType::f32, values, 1000, static_cast<int64_t*>(counts));
  Event* e = d.make_event();
  d.record(d.queue(0), e);
  while (!d.done(e)) {
  }
  int64_t found[3];
  d.read(found, counts, 24);
  EXPECT_EQ(found[0], 2);
  EXPECT_EQ(found[1], 1);
  EXPECT_EQ(found[2], 0);
  d.release(e);
  DeviceMemory& memory = d;
  memory.release(values);
  memory.release(counts);
}

}  // namespace
}  // namespace braid::test
