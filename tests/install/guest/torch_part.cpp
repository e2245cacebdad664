#include "torch_part.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

namespace {

void append(std::vector<float>& all, const at::Tensor& tensor) {
  auto flat = tensor.detach().contiguous().flatten();
  all.insert(all.end(), flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
}

void descend(at::Tensor& weight) {
  at::NoGradGuard off;
  weight.sub_(weight.grad(), 0.1);
  weight.mutable_grad().zero_();
}

}  // namespace

std::vector<float> torch_work() {
  at::manual_seed(7);
  at::Tensor x = at::randn({32, 8, 20, 20});
  at::Tensor labels = at::randint(10, {32}, at::kLong);
  at::Tensor kernel = at::randn({16, 8, 3, 3}).mul(0.1).set_requires_grad(true);
  at::Tensor matrix = at::randn({10, 16 * 400}).mul(0.01).set_requires_grad(true);
  std::vector<float> all;
  for (int step = 0; step < 5; ++step) {
    auto hidden = at::conv2d(x, kernel, {}, 1, 1).relu().flatten(1);
    auto loss = at::cross_entropy_loss(at::linear(hidden, matrix), labels);
    loss.backward();
    descend(kernel);
    descend(matrix);
    append(all, loss);
  }
  append(all, kernel);
  append(all, matrix);
  return all;
}

int torch_threads() { return at::get_num_threads(); }
