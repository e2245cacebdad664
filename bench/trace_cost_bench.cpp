// What a trace costs: training steps of a network with and without one, on random data.
//
//   build/release/bin/trace_cost_bench NET [--devices cpu:0,cpu:1] [--threads N] [--rounds N]
//
// It is the same executor with the same memory that runs both, by turns, and in each round another
// one first. Printed are the medians, the median of the rounds' ratios with its quartiles, and what
// writing the file takes afterwards.
#include <braid/runtime/session.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>

#include <braid/core/random.h>

using namespace braid;

namespace {

struct Arguments {
  std::string net;
  std::vector<std::string> devices;
  int threads = 0, rounds = 101;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--devices" && i + 1 < argc) {
      std::istringstream list(argv[++i]);
      for (std::string device; std::getline(list, device, ',');) a.devices.push_back(device);
    } else if ((flag == "--threads" || flag == "--rounds") && i + 1 < argc) {
      (flag == "--threads" ? a.threads : a.rounds) = std::stoi(argv[++i]);
    } else if (!flag.starts_with("--") && a.net.empty()) {
      a.net = flag;
    } else {
      throw std::invalid_argument("unknown argument " + flag + ", see the source");
    }
  }
  if (a.net.empty()) throw std::invalid_argument("which network?");
  return a;
}

double at(std::vector<double> values, double share) {
  auto place = values.begin() + std::ptrdiff_t(share * double(values.size() - 1));
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

double milliseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

/// Normal numbers; whole numbers are 0, which is a class in every network.
std::vector<Array> noise(const Model& model, int64_t batch) {
  std::vector<Array> all;
  for (auto& input : model.inputs) {
    all.push_back(Array::zeros(input.type.dtype, input.type.dims(batch)));
    if (input.type.dtype != DType::f32) continue;
    auto values = all.back().as<float>();
    for (size_t i = 0; i < values.size(); ++i) values[i] = float(normal(1, i));
  }
  return all;
}

int run(const Arguments& a) {
  Session session = Session::open(a.net, {.devices = a.devices, .threads = a.threads});
  const int64_t batch = session.model().batch.global;
  const auto arrays = noise(session.model(), batch);
  StepArgs args;
  for (auto& array : arrays) args.inputs.push_back(array.bytes.data());
  auto& executor = session.executor(Mode::train, batch);
  Trace trace({.events = INT64_MAX});
  auto plain = [&] { executor.run(args); };
  auto traced = [&] { trace.run(executor, args, {"train", trace.runs() + 1}); };
  for (int i = 0; i < 3; ++i) plain(), traced();
  std::vector<double> with, without, ratios;
  for (int i = 0; i < a.rounds; ++i) {
    if (i % 2) with.push_back(milliseconds(traced));
    without.push_back(milliseconds(plain));
    if (i % 2 == 0) with.push_back(milliseconds(traced));
    ratios.push_back(with.back() / without.back());
  }
  size_t bytes = 0;
  const double writing = milliseconds([&] { bytes = trace.json("bench").size(); });
  std::printf("%s, batch %ld, %zu steps of the plan, %d rounds\n", session.model().name.c_str(),
              long(batch), executor.plan().steps.size(), a.rounds);
  std::printf("without  %.3f ms\nwith     %.3f ms\n", at(without, 0.5), at(with, 0.5));
  std::printf("ratio    %.4f   (quartiles %.4f to %.4f)\n", at(ratios, 0.5), at(ratios, 0.25),
              at(ratios, 0.75));
  std::printf("writing  %.3f ms a step, %.1f KB a step\n", writing / double(trace.runs()),
              double(bytes) / double(trace.runs()) / 1e3);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
