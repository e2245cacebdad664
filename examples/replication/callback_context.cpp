// What the copies of one layer share, and in which order they are called.
#include <braid/runtime/data_parallel.h>

#include <cstdio>
#include <vector>

using namespace braid;

// A layer whose copies meet: the first makes the list, all write their names into it.
struct Meeting : Layer, OnReplicate {
  Meeting() : Layer("Identity") {}
  void on_replicate(CallbackContext& context, int copy_id) override {
    if (copy_id == 0) context.emplace<std::vector<int>>();
    auto& present = context.get<std::vector<int>>();
    present.push_back(copy_id);
    std::printf("copy %d came, %zu present\n", copy_id, present.size());
  }
};

int main() {
  DataParallelWithCallback parallel(std::make_shared<Meeting>(), {0, 1, 2});
  parallel.forward(Array::zeros(DType::f32, {6, 4}));
  std::printf("the next call replicates again, with a fresh context\n");
  parallel.forward(Array::zeros(DType::f32, {6, 4}));
}
