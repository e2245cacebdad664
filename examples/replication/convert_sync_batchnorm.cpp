// Conversion of a whole network, and back: flags, counters and statistics stay where they are.
#include <braid/runtime/data_parallel.h>

#include <cstdio>

using namespace braid;

struct Block : Module {
  explicit Block(int64_t channels)
      : conv(register_module(
            "conv", std::make_shared<Conv2d>(channels, channels, 3, Dict{{"padding", 1}}))),
        bn(register_module("bn", std::make_shared<BatchNorm2d>(channels))) {}
  Symbol forward(Symbol x) override { return relu((*bn)((*conv)(x))) + x; }
  std::shared_ptr<Conv2d> conv;
  std::shared_ptr<BatchNorm2d> bn;
};

int main() {
  auto first = std::make_shared<Block>(4), second = std::make_shared<Block>(4);
  auto net = std::make_shared<Sequential>(std::vector<std::shared_ptr<Module>>{first, second});
  second->bn->freeze_stats();

  DataParallelWithCallback parallel(net, {0, 1});
  Array x = Array::zeros(DType::f32, {4, 4, 6, 6});
  for (size_t i = 0; i < x.as<float>().size(); ++i) x.as<float>()[i] = float(i % 7);
  parallel.forward(x);

  auto show = [&](const char* when) {
    std::printf("%-10s", when);
    for (auto& block : {first, second})
      std::printf("  %s, %ld batches", block->bn->type().c_str(),
                  long(block->bn->tensor("num_batches_tracked").as<int64_t>()[0]));
    std::printf("\n");
  };
  show("before");
  auto before = net->state_dict();
  auto converted = convert_sync_batchnorm(*net);
  for (auto& path : converted) std::printf("converted   %s\n", path.c_str());
  show("converted");
  revert_sync_batchnorm(*net, converted);
  show("reverted");
  std::printf("tensors %s\n", net->state_dict() == before ? "unchanged" : "changed");
}
