// Passes that nobody waits for: futures, and a callback.
//
//   main thread --run_async--> Session's own threads
//        |                          |
//     goes on                    run, run, run
//        |                          |
//      get()  <------ future -------+---- or: done(error)
#include <braid/runtime/session.h>

#include <cstdio>
#include <vector>

using braid::Array, braid::DType;

int main(int argc, char** argv) try {
  auto session = braid::Session::open(argc > 1 ? argv[1] : "examples/digits/digits.yaml");
  std::vector<std::future<std::map<std::string, Array>>> futures;
  for (int64_t n = 1; n <= 8; ++n)
    futures.push_back(session.run_async({{"image", Array::zeros(DType::f32, {n, 64})}}));
  int64_t rows = 0;
  for (auto& future : futures) rows += future.get().at("logits").dims[0];

  Array image = Array::zeros(DType::f32, {1, 64}), logits = Array::zeros(DType::f32, {1, 10});
  braid::Bound call = session.bind({{"image", image}}, {{"logits", logits}});
  std::promise<bool> well;
  session.run_async(call, [&](std::exception_ptr error) { well.set_value(error == nullptr); });
  std::printf("%d rows, and the callback says %s\n", int(rows),
              well.get_future().get() ? "done" : "failed");
  return rows == 36 ? 0 : 1;
} catch (const braid::Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
