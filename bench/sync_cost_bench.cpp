// What synchronized batch norm costs.
//
//   build/release/bin/sync_cost_bench [--threads N] [--rounds N] [--chain | --exchange]
//
// chain      a training step of conv - bn - relu, twice, with `sync: all` and with `sync: none`.
// exchange   one exchange of statistics: forward passes of a chain of batch norms that normalize by
//            the batch, over two samples a replica; with `sync: all` minus with `sync: none`, for
//            each of them. Besides the joins and the merges that is R - 1 waits for the slowest.
//
// The two take turns within a round, so that what else runs on the machine slows down both. Cells
// are medians over the rounds; the ratio is the median of the rounds' ratios.
#include <braid/runtime/session.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>

#include <braid/core/random.h>

using namespace braid;

namespace {

struct Arguments {
  int threads = 0, rounds = 9;
  bool chain = true, exchange = true;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    if (flag == "--chain")
      a.exchange = false;
    else if (flag == "--exchange")
      a.chain = false;
    else if ((flag == "--threads" || flag == "--rounds") && i + 1 < argc)
      (flag == "--threads" ? a.threads : a.rounds) = std::stoi(argv[++i]);
    else
      throw std::invalid_argument("unknown argument " + flag + ", see the source");
  }
  return a;
}

double median(std::vector<double> values) {
  auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double milliseconds(const std::function<void()>& work) {
  auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

struct Pair {
  double all, none, ratio, difference;
};

// Both by turns, and in each round another one first.
Pair compare(int rounds, const std::function<void()>& all, const std::function<void()>& none) {
  std::vector<double> with, without, ratios, differences;
  all(), none();  // warms up
  for (int i = 0; i < rounds; ++i) {
    double a = 0, b = 0;
    if (i % 2) a = milliseconds(all);
    b = milliseconds(none);
    if (i % 2 == 0) a = milliseconds(all);
    with.push_back(a), without.push_back(b);
    ratios.push_back(a / b), differences.push_back(a - b);
  }
  return {median(with), median(without), median(ratios), median(differences)};
}

class Net {
 public:
  Net(Shape image, int replicas, int group) : group_(group) {
    m_.name = "sync_cost";
    m_.replicas = replicas;
    m_.inputs = {{"image", {DType::f32, std::move(image)}}, {"label", {DType::i64, {N}}}};
  }

  void add(std::string type, Dict params = {}) {
    LayerItem item{.path = std::to_string(m_.layers.size()),
                   .type = std::move(type),
                   .params = std::move(params)};
    item.from = {m_.layers.empty() ? Link::input(0) : last()};
    item.sync = group_;
    m_.layers.push_back(std::move(item));
  }

  Link last() const { return Link::layer(int(m_.layers.size()) - 1); }
  Model& model() { return m_; }

 private:
  Model m_;
  int group_;
};

std::vector<float> noise(int64_t count) {
  std::vector<float> numbers(static_cast<size_t>(count));
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = float(normal(1, i));
  return numbers;
}

struct Layer {
  int64_t batch, channels, size;
};

Session chain(const Layer& layer, int replicas, int group, int threads) {
  Net net({N, layer.channels, layer.size, layer.size}, replicas, group);
  for (int i = 0; i < 2; ++i) {
    net.add(
        "Conv2d",
        {{"out_channels", layer.channels}, {"kernel_size", 3}, {"padding", 1}, {"bias", false}});
    net.add("BatchNorm2d");
    net.add("ReLU");
  }
  net.add("AdaptiveAvgPool2d", {{"output_size", 1}});
  net.add("Flatten");
  net.add("Linear", {{"out_features", 10}});
  auto& m = net.model();
  m.losses = {{.name = "loss", .type = "CrossEntropy", .from = {net.last(), Link::input(1)}}};
  m.optimizer = TypedDict{.type = "SGD", .params = {{"lr", 0.01}, {"momentum", 0.9}}};
  return Session(m, {.threads = threads});
}

void chains(const Arguments& a) {
  std::printf("| batch, channels, size | replicas | sync all, ms | sync none, ms | cost %% |\n");
  std::printf("|---|---|---|---|---|\n");
  for (Layer layer :
       {Layer{32, 64, 56}, Layer{32, 256, 14}, Layer{128, 16, 32}, Layer{8, 512, 7}}) {
    auto image = noise(layer.batch * layer.channels * layer.size * layer.size);
    std::vector<int64_t> label(size_t(layer.batch), 3);
    for (int replicas : {2, 4, 8}) {
      auto all = chain(layer, replicas, 0, a.threads), none = chain(layer, replicas, 1, a.threads);
      auto step = [&](Session& session) {
        session.step({image.data(), label.data()}, layer.batch, 0.01);
      };
      auto p = compare(
          a.rounds, [&] { step(all); }, [&] { step(none); });
      std::printf("| %d,%d,%d | %d | %.1f | %.1f | %.1f |\n", int(layer.batch), int(layer.channels),
                  int(layer.size), replicas, p.all, p.none, 100 * (p.ratio - 1));
      std::fflush(stdout);
    }
  }
}

constexpr int norms = 64;

Session statistics(int64_t channels, int replicas, int group, int threads) {
  Net net({N, channels}, replicas, group);
  for (int i = 0; i < norms; ++i) net.add("BatchNorm1d", {{"track_running_stats", false}});
  net.model().outputs = {{"out", net.last()}};
  return Session(net.model(), {.threads = threads});
}

void exchanges(const Arguments& a) {
  constexpr int runs = 20;
  std::printf("| channels | replicas | threads | one exchange of statistics, us |\n");
  std::printf("|---|---|---|---|\n");
  for (int64_t channels : {64, 256, 512})
    for (int replicas : {2, 4, 8})
      for (int threads : {1, 2}) {
        int64_t batch = 2 * replicas;
        auto image = noise(batch * channels);
        std::vector<int64_t> label(size_t(batch), 0);
        auto all = statistics(channels, replicas, 0, threads),
             none = statistics(channels, replicas, 1, threads);
        auto run = [&](Session& session) {
          auto& executor = session.executor(Mode::eval, batch);
          for (int i = 0; i < runs; ++i) executor.run({.inputs = {image.data(), label.data()}});
        };
        auto p = compare(
            a.rounds, [&] { run(all); }, [&] { run(none); });
        std::printf("| %d | %d | %d | %.2f |\n", int(channels), replicas, threads,
                    1e3 * p.difference / (norms * runs));
        std::fflush(stdout);
      }
}

}  // namespace

int main(int argc, char** argv) try {
  Arguments arguments = parse(argc, argv);
  if (arguments.chain) chains(arguments);
  if (arguments.chain && arguments.exchange) std::printf("\n");
  if (arguments.exchange) exchanges(arguments);
} catch (const std::exception& e) {
  std::fprintf(stderr, "sync_cost_bench: %s\n", e.what());
  return 1;
}
