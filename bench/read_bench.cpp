// How long text takes: reading networks of 1,000 to 100,000 lines, and the way from text to Plan.
// Minimum of several runs, as the machine is shared.
//
//   build/release/bin/read_bench [examples/networks]
#include <braid/nodes/builtin.h>
#include <braid/nodes/isa.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>

#include <braid/compiler/compile.h>
#include <braid/dsl/read.h>

namespace {

using namespace braid;

double milliseconds(int rounds, const std::function<void()>& run) {
  double best = 1e300;
  for (int i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

/// A line a layer; `named` adds the name and where it reads from.
std::string chain(int lines, bool named) {
  std::string text =
      "braid: 1\nname: chain\nreplicas: 64\nbatch: {global: 1024}\n"
      "inputs: {x: {shape: [N, 32]}, label: {shape: [N], dtype: i64}}\n"
      "optimizer: {type: SGD, lr: 0.1, momentum: 0.9}\n"
      "loss: {type: CrossEntropy, from: [last, label]}\nlayers:\n"
      "  - {type: Linear, from: x, out_features: 32}\n";
  const char* types[] = {"Linear, out_features: 32", "BatchNorm1d", "ReLU"};
  for (int i = 9; i < lines - 1; ++i) {
    text += "  - {";
    if (named) text += "name: layer" + std::to_string(i) + ", ";
    text += std::string("type: ") + types[i % 3];
    if (named && i > 9) text += ", from: layer" + std::to_string(i - 1);
    text += "}\n";
  }
  return text + "  - {name: last, type: Linear, out_features: 10}\n";
}

Model model_of(const std::string& text, const std::string& name) {
  Diagnostics found;
  Model model = read_text(text, name, {}, found);
  found.raise();
  return model;
}

std::string contents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "examples/networks";
  std::printf("| reading | KB | ms | ns a line |\n|---|---|---|---|\n");
  for (int lines : {1'000, 10'000, 100'000})
    for (bool named : {false, true}) {
      const std::string text = chain(lines, named);
      const double ms =
          milliseconds(lines > 50'000 ? 5 : 20, [&] { model_of(text, "chain.yaml"); });
      std::printf("| %d lines%s | %zu | %.2f | %.0f |\n", lines, named ? ", named" : "",
                  text.size() / 1000, ms, 1e6 * ms / lines);
    }

  Registry registry;
  register_builtin(registry);
  std::printf(
      "\n| text to Plan | layers | replicas | ms | of it reading |\n|---|---|---|---|---|\n");
  auto plan = [&](const std::string& title, const std::string& text, int replicas, int64_t batch,
                  int rounds) {
    Model model;
    const double read = milliseconds(rounds, [&] { model = model_of(text, folder + "/x.yaml"); });
    const double all = milliseconds(rounds, [&] {
      compile(model_of(text, folder + "/x.yaml"), registry,
              {.mode = Mode::train,
               .batch = batch,
               .replicas = replicas,
               .devices = {"cpu"},
               .traits = {.kind = "cpu", .isa = current_isa()}});
    });
    std::printf("| %s | %zu | %d | %.1f | %.1f |\n", title.c_str(), model.layers.size(), replicas,
                all, read);
  };
  plan("resnet50.yaml", contents(folder + "/resnet50.yaml"), 8, 256, 10);
  plan("a chain", chain(1'008, true), 64, 1024, 3);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "read_bench: %s\n", e.what());
  return 1;
}
