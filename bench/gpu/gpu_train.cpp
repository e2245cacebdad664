// Training steps on a GPU, with random data that lies in the host's memory.
//
//   gpu_train [--net FILE --batch N]... [--device cuda:0] [--seconds 90] [--steps 20]
//             [--only replicas|sync|launches|placements] [--hashes]
//
// Without --net: examples/fashion (256 images) and ResNet-18 (64 images) under --examples FOLDER.
// Tables, for each network:
//
//   replicas    one global batch cut into 1, 2, ... 16 replicas: the price of equal bits
//   sync        4 replicas: statistics of the whole batch beside those of each replica alone
//   launches    4 replicas: steps replayed from a recording beside plain launches
//   placements  8 replicas on 1, 2, 4, 8 placements of the one device, by copies and by NCCL
//
// Milliseconds are medians of the steps, images a second follow from them; the two of `sync` and of
// `launches` take turns. Weights are the first digits of their SHA-256 after 4 steps. Exit code 1
// where they depend on placements or launches. `--hashes` prints them alone, for two runs to be
// compared. What the seconds do not suffice for is named.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include <unistd.h>

#include <braid/core/random.h>
#include <braid/dsl/read.h>
#include <braid/runtime/session.h>

namespace {

using Clock = std::chrono::steady_clock;

struct Net {
  std::string file;
  int64_t batch = 64;
};

struct Arguments {
  std::vector<Net> nets = {};
  std::string device = "cuda:0", only = {}, examples = "examples";
  double seconds = 90;
  int steps = 20;
  bool hashes = false;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    auto value = [&] {
      if (++i >= argc) throw std::invalid_argument(flag + " needs a value");
      return std::string(argv[i]);
    };
    if (flag == "--net")
      a.nets.push_back({value()});
    else if (flag == "--batch" && !a.nets.empty())
      a.nets.back().batch = std::stoll(value());
    else if (flag == "--device")
      a.device = value();
    else if (flag == "--examples")
      a.examples = value();
    else if (flag == "--only")
      a.only = value();
    else if (flag == "--seconds")
      a.seconds = std::stod(value());
    else if (flag == "--steps")
      a.steps = std::max(1, std::stoi(value()));
    else if (flag == "--hashes")
      a.hashes = true;
    else
      throw std::invalid_argument("unknown argument " + flag + ", see the source");
  }
  if (a.nets.empty())
    a.nets = {{a.examples + "/fashion/fashion.yaml", 256},
              {a.examples + "/networks/resnet18.yaml", 64}};
  return a;
}

/// A way to run a network.
struct Way {
  int64_t replicas = 4;
  int placements = 1;
  bool sync = true, replay = true;
  braid::Transport transport = braid::Transport::copies;
};

class Run {
 public:
  Run(const Arguments& a, const Net& net, const Way& way) : batch_(net.batch) {
    braid::Diagnostics found;
    braid::Model model = braid::read_file(net.file, {.replicas = way.replicas}, found);
    found.raise();
    for (auto& item : model.layers) item.sync = way.sync ? 0 : 1;
    braid::SessionOptions options;
    options.devices.assign(size_t(way.placements), a.device);
    options.transport = way.transport;
    if (!way.replay) options.disabled.insert("replay");
    session_ = std::make_unique<braid::Session>(std::move(model), std::move(options));
    for (uint64_t key : {1, 2}) add_batch(key);
    for (int i = 0; i < 4; ++i) step();
    millis_.clear();
    char name[] = "/tmp/gpu_train_XXXXXX";
    if (const int file = mkstemp(name); file >= 0) close(file);
    sha_ = session_->save_weights(name);
    std::filesystem::remove(name);
  }

  void step() {
    const auto start = Clock::now();
    const size_t now = steps_++ % 2;
    session_->step(batches_[now].pointers, batch_, 0.01, batches_[1 - now].pointers);
    millis_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }

  double millis() const {
    auto sorted = millis_;
    std::ranges::sort(sorted);
    return sorted[sorted.size() / 2];
  }
  double images() const { return 1e3 * double(batch_) / millis(); }
  double mebibytes() const {
    double all = 0;
    for (int64_t bytes : session_->plan(braid::Mode::train, batch_).arena) all += double(bytes);
    return all / (1 << 20);
  }
  const std::string& sha() const { return sha_; }

 private:
  struct Batch {
    std::vector<braid::Array> arrays = {};
    std::vector<const void*> pointers = {};
  };

  void add_batch(uint64_t key) {
    auto& batch = batches_.emplace_back();
    for (auto& input : session_->model().inputs) {
      auto array = braid::Array::zeros(input.type.dtype, input.type.dims(batch_));
      if (array.dtype == braid::DType::f32)
        for (size_t i = 0; float& x : array.as<float>()) x = float(braid::normal(key, i++ % 99991));
      if (array.dtype == braid::DType::i64)
        for (size_t i = 0; int64_t & x : array.as<int64_t>())
          x = int64_t(braid::uniform_below(key, i++, 10));
      batch.arrays.push_back(std::move(array));
    }
    for (auto& array : batch.arrays) batch.pointers.push_back(array.bytes.data());
  }

  int64_t batch_;
  std::unique_ptr<braid::Session> session_;
  std::vector<Batch> batches_;
  std::vector<double> millis_;
  size_t steps_ = 0;
  std::string sha_;
};

class Bench {
 public:
  explicit Bench(const Arguments& a) : a_(a) {}

  /// All tables of a network, as far as the time goes.
  void run(const Net& net, double seconds) {
    net_ = &net;
    name_ = std::filesystem::path(net.file).stem().string();
    end_ = Clock::now() +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    table("placements", [&] { placements(); });
    table("sync", [&] { sync(); });
    table("launches", [&] { launches(); });
    table("replicas", [&] { replicas(); });
  }

  void hashes(const Net& net) {
    for (int placements : {1, 2}) {
      Way way{.placements = placements};
      std::printf("%s %d %s\n", net.file.c_str(), placements, Run(a_, net, way).sha().c_str());
    }
  }

  bool good() const { return good_; }
  const std::string& left_out() const { return left_out_; }

 private:
  bool in_time(const std::string& what) {
    if (Clock::now() < end_) return true;
    left_out_ += (left_out_.empty() ? "" : "; ") + name_ + ": " + what;
    return false;
  }

  void table(const std::string& name, const std::function<void()>& print) {
    if (!a_.only.empty() && a_.only != name) return;
    if (!in_time(name)) return;
    std::printf("\n%s, %d images: %s\n\n", name_.c_str(), int(net_->batch), name.c_str());
    print();
    std::fflush(stdout);
  }

  void expect_equal(const std::string& a, const std::string& b, const std::string& what) {
    if (a == b) return;
    good_ = false;
    std::printf("DIFFERENT: the weights depend on %s\n", what.c_str());
  }

  Run timed(const Way& way) const {
    Run run(a_, *net_, way);
    for (int i = 0; i < a_.steps; ++i) run.step();
    return run;
  }

  /// Both by turns, and in each round another one first.
  std::pair<Run, Run> by_turns(const Way& first, const Way& second) const {
    std::pair<Run, Run> runs{Run(a_, *net_, first), Run(a_, *net_, second)};
    for (int i = 0; i < a_.steps; ++i) {
      (i % 2 ? runs.first : runs.second).step();
      (i % 2 ? runs.second : runs.first).step();
    }
    return runs;
  }

  void replicas() {
    std::printf("| replicas | ms a step | images/s | of one replica's | arena, MiB | weights |\n");
    std::printf("|---|---|---|---|---|---|\n");
    double base = 0;
    for (int64_t count : {1, 2, 4, 8, 16}) {
      if (!in_time(std::to_string(count) + " replicas")) continue;
      Run run = timed({.replicas = count});
      if (count == 1) base = run.images();
      std::printf("| %d | %.2f | %.0f | %.2f | %.0f | %.12s |\n", int(count), run.millis(),
                  run.images(), run.images() / base, run.mebibytes(), run.sha().c_str());
    }
  }

  void sync() {
    auto [all, none] = by_turns({}, {.sync = false});
    std::printf("| | ms a step | images/s |\n|---|---|---|\n");
    std::printf("| sync all | %.2f | %.0f |\n", all.millis(), all.images());
    std::printf("| sync none | %.2f | %.0f |\n", none.millis(), none.images());
    std::printf("| cost of sync all | %.1f %% | |\n", 100 * (all.millis() / none.millis() - 1));
  }

  void launches() {
    auto [replayed, plain] = by_turns({}, {.replay = false});
    std::printf("| | ms a step | images/s | weights |\n|---|---|---|---|\n");
    std::printf("| replayed | %.2f | %.0f | %.12s |\n", replayed.millis(), replayed.images(),
                replayed.sha().c_str());
    std::printf("| plain launches | %.2f | %.0f | %.12s |\n", plain.millis(), plain.images(),
                plain.sha().c_str());
    expect_equal(replayed.sha(), plain.sha(), "how steps are launched");
  }

  void placements() {
    std::printf("| placements | transfers | ms a step | images/s | weights |\n");
    std::printf("|---|---|---|---|---|\n");
    std::string first;
    for (auto transport : {braid::Transport::copies, braid::Transport::nccl})
      for (int count : {1, 2, 4, 8}) {
        const bool nccl = transport == braid::Transport::nccl;
        if (nccl && count != 4) continue;
        if (!in_time(std::to_string(count) + " placements" + (nccl ? " by NCCL" : ""))) continue;
        Run run = timed({.replicas = 8, .placements = count, .transport = transport});
        if (first.empty()) first = run.sha();
        std::printf("| %d | %s | %.2f | %.0f | %.12s |\n", count, nccl ? "NCCL" : "copies",
                    run.millis(), run.images(), run.sha().c_str());
        expect_equal(run.sha(), first, "placements");
      }
  }

  const Arguments& a_;
  const Net* net_ = nullptr;
  std::string name_, left_out_;
  Clock::time_point end_;
  bool good_ = true;
};

}  // namespace

int main(int argc, char** argv) try {
  const Arguments arguments = parse(argc, argv);
  Bench bench(arguments);
  if (arguments.hashes) {
    bench.hashes(arguments.nets[0]);
    return 0;
  }
  const auto start = Clock::now();
  for (size_t i = 0; i < arguments.nets.size(); ++i) {
    const std::chrono::duration<double> used = Clock::now() - start;
    bench.run(arguments.nets[i],
              (arguments.seconds - used.count()) / double(arguments.nets.size() - i));
  }
  if (!bench.left_out().empty())
    std::printf("\nNot measured for want of time: %s\n", bench.left_out().c_str());
  return bench.good() ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "gpu_train: %s\n", e.what());
  return 1;
}
