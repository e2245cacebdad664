// How long the compiler takes: chains of Linear + BatchNorm1d + ReLU, training, with a table of
// passes.
//
//   build/release/bin/compile_bench
#include <braid/nodes/builtin.h>
#include <braid/nodes/isa.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include <braid/compiler/compile.h>

using namespace braid;

static Model chain(int layers, int replicas) {
  Model m;
  m.name = "chain";
  m.replicas = replicas;
  m.inputs = {{"x", {DType::f32, {N, 32}}}, {"label", {DType::i64, {N}}}};
  auto add = [&](std::string type, Dict params = {}) {
    LayerItem item{.path = std::to_string(m.layers.size()),
                   .type = std::move(type),
                   .params = std::move(params)};
    item.from = {m.layers.empty() ? Link::input(0) : Link::layer(int(m.layers.size()) - 1)};
    m.layers.push_back(std::move(item));
  };
  for (int i = 0; i + 2 < layers; i += 3) {
    add("Linear", {{"out_features", 32}});
    add("BatchNorm1d");
    add("ReLU");
  }
  int last = int(m.layers.size()) - 1;
  m.losses = {
      {.name = "loss", .type = "CrossEntropy", .from = {Link::layer(last), Link::input(1)}}};
  m.optimizer = TypedDict{.type = "SGD", .params = {{"lr", 0.1}, {"momentum", 0.9}}};
  return m;
}

int main() {
  Registry registry;
  register_builtin(registry);
  struct Case {
    int layers, replicas, devices;
  };
  std::printf(
      "| layers | replicas | devices | steps | strands | kernels | compile, ms (min of 5) | "
      "slowest passes |\n");
  std::printf("|---|---|---|---|---|---|---|---|\n");
  for (Case c : {Case{51, 8, 1}, {51, 8, 8}, {999, 8, 1}, {999, 64, 1}, {999, 64, 8}}) {
    Model model = chain(c.layers, c.replicas);
    std::vector<std::string> devices;
    for (int d = 0; d < c.devices; ++d) devices.push_back("cpu:" + std::to_string(d));
    double best = 1e300;
    std::vector<std::pair<double, std::string>> passes, best_passes;
    Plan plan;
    for (int round = 0; round < 5; ++round) {
      passes.clear();
      auto t = std::chrono::steady_clock::now();
      plan = compile(model, registry,
                     {.mode = Mode::train,
                      .batch = 16 * c.replicas,
                      .devices = devices,
                      .traits = {.kind = "cpu", .isa = current_isa()},
                      .on_pass = [&](auto& name, double ms) {
                        passes.push_back({ms, name});
                      }});
      double ms =
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - t).count();
      if (ms < best) best = ms, best_passes = passes;
    }
    std::ranges::sort(best_passes, std::greater<>{});
    std::string slow;
    for (size_t i = 0; i < 4 && i < best_passes.size(); ++i) {
      char text[64];
      std::snprintf(text, sizeof text, "%s%s %.1f", i ? ", " : "", best_passes[i].second.c_str(),
                    best_passes[i].first);
      slow += text;
    }
    std::printf("| %d | %d | %d | %zu | %zu | %zu | %.1f | %s |\n", c.layers, c.replicas, c.devices,
                plan.steps.size(), plan.strands.size(), plan.kernels.size(), best, slow.c_str());
  }
}
