// Hooks that watch a run, and one that has only so long to do it. Binding them changes no bit.
//
//   image --fc1--> ... --fc2--> loss --on_step--> seen before anything is written
//           |                     hangs > deadline --> E0428 names it, State stays, nobody waits
//           +--on_forward--> the outputs of each replica
#include <braid/runtime/session.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

using namespace braid;

int main(int, char** argv) try {
  auto forwards = std::make_shared<std::atomic<int>>(0);
  auto hangs = std::make_shared<std::atomic<bool>>(false);
  Hooks hooks;
  hooks.on_forward(at("fc1"), [forwards](const HookVisit&) { ++*forwards; });
  hooks.on_step([hangs](const HookVisit&) {
    while (*hangs) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  auto session = Session::open(argv[1], {.hooks = hooks, .deadline = 0.5});
  const auto plain = Session::open(argv[1]);
  std::map<std::string, Array> batch{{"image", Array::zeros(DType::f32, {8, 64})},
                                     {"label", Array::zeros(DType::i64, {8})}};
  session.step(batch);
  std::printf("%d forward passes of %d replicas seen\n", forwards->load(),
              int(plain.model().replicas));
  const auto before = session.weights();
  *hangs = true;
  try {
    session.step(batch);
  } catch (const Error& error) {
    std::printf("[%s] %s\n", error.diagnostics().front().code.c_str(),
                session.weights() == before ? "and nothing has changed" : "weights have moved");
  }
  *hangs = false;
  return 0;
} catch (const Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
