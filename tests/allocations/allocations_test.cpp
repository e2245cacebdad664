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

}  // namespace
}  // namespace braid::test
