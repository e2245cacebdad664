// The price of equal bits: the same global batch on one device, cut into 1, 2, 4, ... replicas.
//
//   replicas_price_bench NET [--batch N] [--rounds N] [--threads N] [--recompute PREFIX]...
//
// Prints a table: images a second, relative to one replica, and the arena. With `--recompute` each
// row stands twice: with the layers under each PREFIX (layer1.0) computed again, a segment for
// each, and with everything kept. All sessions take turns step by step, and the median counts, so
// that what else the machine does meets all of them alike.
#include <algorithm>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <string>

#include <braid/core/random.h>
#include <braid/dsl/read.h>
#include <braid/runtime/session.h>

namespace {

struct Arguments {
  std::string net;
  int64_t batch = 256;
  int rounds = 15, threads = 0;
  std::vector<std::string> recompute = {};
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    auto value = [&] {
      if (++i >= argc) throw std::invalid_argument(flag + " needs a value");
      return std::string(argv[i]);
    };
    if (flag == "--batch")
      a.batch = std::stoi(value());
    else if (flag == "--rounds")
      a.rounds = std::stoi(value());
    else if (flag == "--threads")
      a.threads = std::stoi(value());
    else if (flag == "--recompute")
      a.recompute.push_back(value());
    else if (flag.starts_with("--") || !a.net.empty())
      throw std::invalid_argument("unknown argument " + flag);
    else
      a.net = flag;
  }
  if (a.net.empty()) throw std::invalid_argument("replicas_price_bench NET, see the source");
  return a;
}

braid::Model model_of(const Arguments& a, int64_t replicas, bool recompute) {
  braid::Diagnostics found;
  braid::Model model = braid::read_file(a.net, {.replicas = replicas}, found);
  found.raise();
  for (auto& item : model.layers) {
    item.recompute = false;
    for (auto& prefix : a.recompute)
      if (recompute && item.path.starts_with(prefix)) {
        item.recompute = true;
        item.segment = prefix;
      }
  }
  return model;
}

/// One way to cut the batch.
class Entry {
 public:
  Entry(const Arguments& a, int64_t replicas, bool recompute)
      : replicas_(replicas),
        recompute_(recompute),
        session_(model_of(a, replicas, recompute), {.devices = {"cpu"}, .threads = a.threads}) {
    for (auto& input : session_.model().inputs) {
      auto array = braid::Array::zeros(input.type.dtype, input.type.dims(a.batch));
      if (input.type.dtype == braid::DType::f32) {
        auto to = array.as<float>();
        for (size_t i = 0; i < to.size(); ++i) to[i] = float(braid::normal(1, i));
      }
      inputs_.push_back(std::move(array));
    }
    for (auto& input : inputs_) pointers_.push_back(input.bytes.data());
    for (int i = 0; i < 2; ++i) step(a.batch);  // compiles the program and warms it up
    seconds_.clear();
  }

  void step(int64_t batch) {
    auto start = std::chrono::steady_clock::now();
    session_.step(pointers_, batch, 0.01);
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    seconds_.push_back(took.count());
  }

  double median() {
    std::ranges::sort(seconds_);
    return seconds_[seconds_.size() / 2];
  }

  void print(int64_t batch, double base) {
    int64_t arena = session_.plan(braid::Mode::train, batch).arena[0];
    std::cout << "| " << replicas_ << " | " << (recompute_ ? "again" : "kept") << " | "
              << double(batch) / median() << " | " << base / median() << " | "
              << double(arena) / (1 << 20) << " |\n";
  }

 private:
  int64_t replicas_;
  bool recompute_;
  braid::Session session_;
  std::vector<braid::Array> inputs_;
  std::vector<const void*> pointers_;
  std::vector<double> seconds_;
};

}  // namespace

int main(int argc, char** argv) try {
  Arguments a = parse(argc, argv);
  std::vector<Entry> entries;
  for (int64_t replicas = 1; replicas <= std::min<int64_t>(32, a.batch); replicas *= 2)
    for (bool recompute : {false, true})
      if (!recompute || !a.recompute.empty()) entries.emplace_back(a, replicas, recompute);
  for (int i = 0; i < a.rounds; ++i)
    for (auto& entry : entries) entry.step(a.batch);
  std::cout << std::fixed << std::setprecision(2)
            << "| replicas | activations | images/s | of one replica's | arena, MiB |\n"
            << "|---|---|---|---|---|\n";
  double base = entries[0].median();
  for (auto& entry : entries) entry.print(a.batch, base);
} catch (const std::exception& e) {
  std::cerr << "replicas_price_bench: " << e.what() << "\n";
  return 1;
}
