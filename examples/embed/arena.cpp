// Two networks on the host application's own TBB threads: they take no others, and a thread that
// waits for a network never picks up a task of the host's meanwhile.
//
//        the host's arena: 2 threads
//   +------------------------------------+
//   |  task  task  task ...   (the host) |
//   |    |     |                         |
//   |  Session a   Session b             |
//   +------------------------------------+
#include <braid/runtime/session.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <cstdio>
#include <mutex>

using braid::Array, braid::DType, braid::Session;

int main(int argc, char** argv) try {
  const char* path = argc > 1 ? argv[1] : "examples/digits/digits.yaml";
  oneapi::tbb::task_arena host(2);
  return host.execute([&] {
    auto arena = braid::TaskArena::of_caller();  // or std::make_shared<TaskArena>(4): Braid's own
    Session a = Session::open(path, {.arena = arena});
    Session b = Session::open(path, {.arena = arena}, {.seed = 2});
    const Array image = Array::zeros(DType::f32, {4, 64});
    const auto from_a = a.run({{"image", image}}), from_b = b.run({{"image", image}});

    std::mutex log;  // not recursive: a task that ran inside another one would stand still here
    std::atomic<int> equal = 0;
    oneapi::tbb::parallel_for(0, 200, [&](int i) {
      std::lock_guard lock(log);
      const bool first = i % 2 == 0;
      if ((first ? a : b).run({{"image", image}}) == (first ? from_a : from_b)) ++equal;
    });
    std::printf("%d threads, %d of 200 equal\n", arena->threads(), equal.load());
    return equal == 200 ? 0 : 1;
  });
} catch (const braid::Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
