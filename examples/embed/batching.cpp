// A server's threads with one picture each, and passes of many: Batcher without a flow graph.
//
//   thread 1 --add--\
//   thread 2 --add---> Batcher --one pass of up to 16--> Session
//   thread 3 --add--/     |
//        ^----------------+  each its own row
#include <braid/runtime/batcher.h>
#include <braid/runtime/session.h>

#include <atomic>
#include <cstdio>
#include <future>
#include <thread>

using braid::Array, braid::Batcher, braid::DType;

int main(int argc, char** argv) try {
  auto session = braid::Session::open(argc > 1 ? argv[1] : "examples/digits/digits.yaml");
  Batcher batcher(session, {.most = 16, .wait = std::chrono::milliseconds(1)});
  std::atomic<int> answered = 0;
  std::vector<std::jthread> clients;
  for (int c = 0; c < 8; ++c)
    clients.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        std::promise<Batcher::Answer> promise;
        batcher.add({{"image", Array::zeros(DType::f32, {1, 64})}},
                    [&](Batcher::Answer answer) { promise.set_value(std::move(answer)); });
        if (!promise.get_future().get().error) ++answered;
      }
    });
  clients.clear();  // joins them
  std::printf("%d requests in %d passes\n", answered.load(), int(batcher.passes()));
  return answered == 80 && batcher.passes() <= 80 ? 0 : 1;
} catch (const braid::Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
