// A pipeline beside the same stages in hand-written tbb::parallel_pipeline, and what batches save.
//
//   build/release/bin/pipeline_bench [--items N] [--threads N] [--rounds N] [--in-flight N]
//                                    [--us 0.5|2|10|-1] [--net FILE]
//
// Five stages: a source, three maps, a sink, of which each works so many microseconds; the maps
// are serial, or parallel with the order kept. By turns, and as ratios of each round: medians of
// them, and the range. Then Fashion-MNIST images through the network, one by one and in batches.
#include <oneapi/tbb/parallel_pipeline.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <braid/core/random.h>
#include <braid/runtime/pipeline.h>
#include <braid/runtime/session.h>

using namespace braid;

namespace {

struct Arguments {
  int64_t items = 100'000, in_flight = 64;
  int threads = 0, rounds = 5;
  double us = 0;  // 0 = all of the table, and the network; negative = this alone
  std::string net = "examples/fashion/fashion.yaml";
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i], value = argv[i + 1];
    if (flag == "--items")
      a.items = std::stoll(value);
    else if (flag == "--threads")
      a.threads = std::stoi(value);
    else if (flag == "--rounds")
      a.rounds = std::stoi(value);
    else if (flag == "--in-flight")
      a.in_flight = std::stoll(value);
    else if (flag == "--us")
      a.us = std::stod(value);
    else if (flag == "--net")
      a.net = value;
    else
      throw std::invalid_argument("unknown argument " + flag + ", see the source");
  }
  return a;
}

// Arithmetic for about so long: the number of rounds is measured once.
struct Spin {
  int64_t rounds = 0;
  uint64_t operator()(uint64_t x) const {
    for (int64_t i = 0; i < rounds; ++i) x = x * 6364136223846793005ull + 1442695040888963407ull;
    return x;
  }
};

double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Spin spin_of(double microseconds) {
  const Spin many{2'000'000};
  double best = 1e9;
  uint64_t x = 1;
  for (int i = 0; i < 5; ++i) best = std::min(best, seconds([&] { x = many(x); }));
  return {int64_t(2'000'000 * microseconds * 1e-6 / best) + int64_t(x == 0)};
}

struct Packet {
  int64_t number = 0;
  uint64_t value = 0;
};

struct Seen {
  int64_t count = 0, disorder = 0;
  void operator()(const Packet& p, Spin spin) {
    disorder += spin(p.value) == 0 || p.number != count;
    ++count;
  }
};

void check(const Seen& seen, int64_t items) {
  if (seen.count != items || seen.disorder > 0) throw std::runtime_error("items were lost");
}

double by_hand(const Arguments& a, Spin spin, bool parallel, tbb::task_arena& arena) {
  Seen seen;
  int64_t next = 0;
  auto map = [=](Packet p) { return p.value = spin(p.value), p; };
  const auto mode = parallel ? tbb::filter_mode::parallel : tbb::filter_mode::serial_in_order;
  const double time = seconds([&] {
    arena.execute([&] {
      tbb::parallel_pipeline(
          size_t(a.in_flight),
          tbb::make_filter<void, Packet>(tbb::filter_mode::serial_in_order,
                                         [&](tbb::flow_control& control) -> Packet {
                                           if (next == a.items) return control.stop(), Packet{};
                                           const uint64_t x = spin(uint64_t(next));
                                           return {next++, x};
                                         }) &
              tbb::make_filter<Packet, Packet>(mode, map) &
              tbb::make_filter<Packet, Packet>(mode, map) &
              tbb::make_filter<Packet, Packet>(mode, map) &
              tbb::make_filter<Packet, void>(tbb::filter_mode::serial_in_order,
                                             [&](const Packet& p) { seen(p, spin); }));
    });
  });
  check(seen, a.items);
  return time;
}

std::pair<double, PipelineReport> braids(const Arguments& a, Spin spin, bool parallel, bool blocks,
                                         const std::shared_ptr<TaskArena>& arena) {
  Seen seen;
  int64_t next = 0;
  Flow flow(a.in_flight);
  const StageOptions options{.parallel = parallel ? 0 : 1, .queue = a.in_flight};
  auto map = [=](Packet p) { return p.value = spin(p.value), p; };
  auto x = flow.source("source",
                       [&]() -> std::optional<Packet> {
                         if (next == a.items) return {};
                         const uint64_t value = spin(uint64_t(next));
                         return Packet{next++, value};
                       },
                       {.blocks = blocks});
  for (const char* name : {"first", "second", "third"}) x = flow.map(name, x, map, options);
  flow.sink("sink", x, [&](const Packet& p) { seen(p, spin); }, {.queue = a.in_flight});
  Pipeline pipeline = flow.pipeline({.arena = arena});
  PipelineReport report;
  const double time = seconds([&] { report = pipeline.run(); });
  check(seen, a.items);
  return {time, report};
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void compare(const Arguments& a, double microseconds, bool parallel) {
  const Spin spin = spin_of(microseconds);
  auto arena = std::make_shared<TaskArena>(a.threads);
  tbb::task_arena own(arena->threads());
  std::vector<double> hand, ours, waiting, ratio, ratio_waiting;
  PipelineReport report;
  for (int i = -1; i < a.rounds; ++i) {
    const double one = by_hand(a, spin, parallel, own);
    auto [two, said] = braids(a, spin, parallel, false, arena);
    const double three = braids(a, spin, parallel, true, arena).first;
    if (i < 0) continue;
    hand.push_back(one), ours.push_back(two), waiting.push_back(three);
    ratio.push_back(one / two), ratio_waiting.push_back(one / three);
    report = said;
  }
  auto rate = [&](const std::vector<double>& times) {
    return double(a.items) / median(times) / 1e3;
  };
  std::printf("%5.1f  %-8s  %8.0f  %8.0f  %8.0f  %5.2f (%.2f to %.2f)  %5.2f  %7.3f %7.3f\n",
              microseconds, parallel ? "parallel" : "serial", rate(hand), rate(ours), rate(waiting),
              median(ratio), *std::ranges::min_element(ratio), *std::ranges::max_element(ratio),
              median(ratio_waiting), report.latency.p50, report.latency.p99);
}

struct Batched {
  double rate = 0, mean = 0;
  PipelineReport report;
  std::vector<Array> logits;
};

Batched batched(Session& session, const std::vector<Record>& images, int64_t max, double wait_ms,
                const std::shared_ptr<TaskArena>& arena) {
  Batched out;
  Flow flow(2 * max);
  size_t next = 0;
  auto x = flow.source("images",
                       [&]() -> std::optional<Record> {
                         if (next == images.size()) return {};
                         return images[next++];
                       },
                       {.blocks = false});
  x = flow.batch("batch", x, {.max = max, .wait_ms = wait_ms});
  x = flow.unbatch("rows", flow.network("network", x, session, {.outputs = {"logits"}}));
  flow.sink("sink", x, [&](Record r) { out.logits.push_back(std::move(r.at("logits"))); });
  out.report = flow.run({.arena = arena});
  out.rate = double(images.size()) / out.report.seconds;
  out.mean = out.report.stage("batch").mean_batch;
  return out;
}

void batches(const Arguments& a) {
  auto arena = std::make_shared<TaskArena>(a.threads);
  Session session = Session::open(a.net, {.arena = arena});
  auto& input = session.model().inputs.at(0);
  auto dims = input.type.dims(1);
  dims.erase(dims.begin());
  std::vector<Record> images(4000);
  for (size_t i = 0; i < images.size(); ++i) {
    Array image = Array::zeros(DType::f32, dims);
    for (size_t k = 0; k < image.as<float>().size(); ++k)
      image.as<float>()[k] = float(normal(i, k));
    images[i].emplace(input.name, std::move(image));
  }
  std::vector<double> ratios;
  Batched one, many;
  for (int i = -1; i < a.rounds; ++i) {
    one = batched(session, images, 1, 1, arena);
    many = batched(session, images, 32, 1, arena);
    if (one.logits != many.logits) throw std::runtime_error("the bits depend on the batch");
    if (i >= 0) ratios.push_back(many.rate / one.rate);
  }
  std::printf(
      "\n%s, items/s: batch 1 %.0f (p50 %.3f ms, p99 %.3f ms), max 32 %.0f (mean %.1f; "
      "p50 %.3f ms, p99 %.3f ms); ratio %.2f (%.2f to %.2f), equal bits\n",
      session.model().name.c_str(), one.rate, one.report.latency.p50, one.report.latency.p99,
      many.rate, many.mean, many.report.latency.p50, many.report.latency.p99, median(ratios),
      *std::ranges::min_element(ratios), *std::ranges::max_element(ratios));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Arguments a = parse(argc, argv);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::printf("%ld items, %ld in flight; thousand items/s, and ratios to parallel_pipeline\n",
                long(a.items), long(a.in_flight));
    std::printf(
        "   us  maps      by hand     Braid    thread  ratio                 thread  "
        "p50 ms  p99 ms\n");
    for (const double us : {0.5, 2.0, 10.0})
      for (const bool parallel : {false, true})
        if (a.us == 0 || a.us == us) compare(a, us, parallel);
    if (a.us <= 0) batches(a);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
