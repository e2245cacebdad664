// Callbacks for copies that somebody else made.
#include <braid/runtime/data_parallel.h>

#include <cstdio>

using namespace braid;

struct Part : Layer, OnReplicate {
  explicit Part(std::string name) : Layer("Identity"), name(std::move(name)) {}
  void on_replicate(CallbackContext& context, int copy_id) override {
    int& calls = context.get_or<int>([] { return 0; });
    std::printf("%s of copy %d: call %d at this position\n", name.c_str(), copy_id, ++calls);
  }
  std::string name;
};

std::unique_ptr<Sequential> network() {
  return std::make_unique<Sequential>(std::vector<std::shared_ptr<Module>>{
      std::make_shared<Part>("first"), std::make_shared<ReLU>(), std::make_shared<Part>("last")});
}

int main() {
  auto master = network(), slave = network();
  execute_replication_callbacks({master.get(), slave.get()});
  try {
    Sequential other({std::make_shared<ReLU>()});
    execute_replication_callbacks({master.get(), &other});
  } catch (const Error& error) {
    std::printf("%s\n", error.diagnostics().front().message.c_str());
  }
}
