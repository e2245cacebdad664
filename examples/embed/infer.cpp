// The same pass again and again, on buffers of one's own: nothing is looked up and no memory taken.
//
//   pixels[64]  ---\            (read where they lie)
//                   bind --> Bound --run--run--run-->
//   scores[10]  ---/            (written where they shall be)
#include <braid/runtime/session.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

using braid::ConstView, braid::ArrayView;

int main(int argc, char** argv) try {
  auto session = braid::Session::open(argc > 1 ? argv[1] : "examples/digits/digits.yaml");
  std::array<float, 64> pixels{};
  std::array<float, 10> scores{};
  braid::Bound call = session.bind({{"image", ConstView::of<float>({1, 64}, pixels)}},
                                   {{"logits", ArrayView::of<float>({1, 10}, scores)}});
  std::array<int, 10> seen{};
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) {
    pixels[size_t(i % 64)] = float(i) / 1000;  // the next frame of a camera
    session.run(call);
    ++seen[size_t(std::ranges::max_element(scores) - scores.begin())];
  }
  const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
  std::printf("%.1f us a picture; most look like a %d\n", time.count() / 1000,
              int(std::ranges::max_element(seen) - seen.begin()));
} catch (const braid::Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
