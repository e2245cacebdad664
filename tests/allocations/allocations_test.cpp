// After the first one, a step takes no memory: everything has its place in the plan. What oneDNN
// takes inside its own calls is its own affair and is not counted. A program of its own, since it
// replaces operator new.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "support/models.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<int> allocations{0};

bool is_onednn(void* caller) {
  Dl_info info{};
  return dladdr(caller, &info) && std::strstr(info.dli_fname, "libdnnl");
}
}  // namespace

// Not inlined: g++ would pair its idea of `new` with our `free`.
[[gnu::noinline]] void* operator new(size_t size) {
  if (counting && !is_onednn(__builtin_return_address(0))) ++allocations;
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size ? size : 1);
}
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace braid::test {
namespace {

TEST(Allocations, AStepTakesNone) {
  for (const char* engine : {"serial", "tbb"}) {
    Model model = convnet(4);
    Session session(model, {.devices = cpus(2), .threads = 1, .engine = engine});
    RandomBatch batch(model, 32, 1);
    session.step(batch.pointers, 32, 0.1);
    auto& executor = session.executor(Mode::train, 32);
    StepArgs args{.inputs = batch.pointers, .scalars = {.lr = 0.1, .step = 1}};
    executor.run(args);
    allocations = 0;
    counting = true;
    ::operator delete(::operator new(4));  // the counter counts
    executor.run(args);
    counting = false;
    EXPECT_EQ(allocations, 1) << engine;
  }
}

// oneDNN's own are not counted.
TEST(Allocations, ABoundCallTakesNone) {
  for (const char* engine : {"serial", "tbb"}) {
    for (int64_t samples : {1, 32}) {
      Session session(convnet(4), {.devices = cpus(2), .threads = 1, .engine = engine});
      RandomBatch batch(session.model(), samples, 1);
      const auto image = session.model().inputs[0].type.dims(samples);
      std::vector<float> logits(size_t(samples) * 10);
      const auto bytes = static_cast<const std::byte*>(batch.pointers[0]);
      const size_t size = size_t(session.model().inputs[0].type.bytes(samples));
      Bound call = session.bind({{"image", ConstView(DType::f32, image, {bytes, size})}},
                                {{"logits", ArrayView::of<float>({samples, 10}, logits)}});
      session.run(call);
      session.run(call);
      allocations = 0;
      counting = true;
      ::operator delete(::operator new(4));  // the counter counts
      session.run(call);
      counting = false;
      EXPECT_EQ(allocations, 1) << engine << " " << samples;
    }
  }
}

}  // namespace
}  // namespace braid::test
