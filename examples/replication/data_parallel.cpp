// Slices on several devices, forward and backward: the gradients are those of the whole batch.
#include <braid/runtime/data_parallel.h>

#include <cstdio>

using namespace braid;

int main() {
  auto linear = std::make_shared<Linear>(2, 1, false);
  linear->load_state_dict({{"weight", Array::of<float>({1, 2}, {0.5f, -1.0f})}});
  DataParallel parallel(linear, {0, 1});

  Array x = Array::of<float>({3, 2}, {1, 2, 3, 4, 5, 6});
  Array y = parallel.forward(x);  // two rows on cpu:0, one on cpu:1
  for (float value : y.as<float>()) std::printf("y   %g\n", double(value));

  auto gradients = parallel.backward(Array::of<float>({3, 1}, {1, 1, 1}));
  for (float value : gradients.parameters.at("weight").as<float>())
    std::printf("dw  %g\n", double(value));
  std::printf("dx  %s\n", to_string(gradients.inputs[0]).c_str());
}
