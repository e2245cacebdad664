// What a pass of the compiler is worth: steps with it and without it, which take turns.
//
//   pass_bench NET [--pass fuse_add] [--batch N] [--replicas N] [--threads N] [--rounds N]
//
// Prints a table: milliseconds of a training step and of a forward pass in evaluation, by the clock
// and of processor time, and the memory that the plan states. Cells are medians over the rounds;
// the ratio is the median of the rounds' ratios, so that what else the machine does meets both.
#include <algorithm>
#include <array>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <optional>
#include <string>

#include <time.h>

#include <braid/core/random.h>
#include <braid/runtime/session.h>

namespace {

struct Arguments {
  std::string net, pass = "fuse_add";
  int64_t batch = 32;
  int rounds = 9, threads = 0;
  std::optional<int64_t> replicas;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    auto value = [&] {
      if (++i >= argc) throw std::invalid_argument(flag + " needs a value");
      return std::string(argv[i]);
    };
    if (flag == "--pass")
      a.pass = value();
    else if (flag == "--batch")
      a.batch = std::stoi(value());
    else if (flag == "--replicas")
      a.replicas = std::stoi(value());
    else if (flag == "--threads")
      a.threads = std::stoi(value());
    else if (flag == "--rounds")
      a.rounds = std::stoi(value());
    else if (flag.starts_with("--") || !a.net.empty())
      throw std::invalid_argument("unknown argument " + flag);
    else
      a.net = flag;
  }
  if (a.net.empty()) throw std::invalid_argument("pass_bench NET, see the source");
  return a;
}

struct Times {
  double wall, cpu;  // ms

  static Times now() {
    auto ms = [](clockid_t clock) {
      timespec t;
      clock_gettime(clock, &t);
      return double(t.tv_sec) * 1e3 + double(t.tv_nsec) * 1e-6;
    };
    return {ms(CLOCK_MONOTONIC), ms(CLOCK_PROCESS_CPUTIME_ID)};
  }
};

class Side {
 public:
  Side(const Arguments& a, std::set<std::string> disabled)
      : batch_(a.batch),
        session_(braid::Session::open(
            a.net, {.devices = {"cpu"}, .threads = a.threads, .disabled = std::move(disabled)},
            {.replicas = a.replicas})) {
    for (auto& input : session_.model().inputs) {
      auto array = braid::Array::zeros(input.type.dtype, input.type.dims(a.batch));
      if (input.type.dtype == braid::DType::f32) {
        auto to = array.as<float>();
        for (size_t i = 0; i < to.size(); ++i) to[i] = float(braid::normal(1, i));
      }
      inputs_.push_back(std::move(array));
    }
    for (auto& input : inputs_) pointers_.push_back(input.bytes.data());
    image_ = {{session_.model().inputs[0].name, inputs_[0]}};
  }

  Times step(bool train) {
    const Times start = Times::now();
    if (train)
      session_.step(pointers_, batch_, 0.01);
    else
      session_.run(image_);
    const Times end = Times::now();
    return {end.wall - start.wall, end.cpu - start.cpu};
  }

  double arena(bool train) {
    auto& plan = train ? session_.plan(braid::Mode::train, batch_)
                       : session_.plan(braid::Mode::eval, batch_, outputs());
    return double(plan.arena[0]) / (1 << 20);
  }

 private:
  std::vector<std::string> outputs() const {
    std::vector<std::string> names;
    for (auto& output : session_.model().outputs) names.push_back(output.name);
    return names;
  }

  int64_t batch_;
  braid::Session session_;
  std::vector<braid::Array> inputs_;
  std::vector<const void*> pointers_;
  std::map<std::string, braid::Array> image_;
};

double median(std::vector<double> v) {
  std::ranges::sort(v);
  return v[v.size() / 2];
}

// One column of the rounds: f(round).
template <class F>
double median_of(const std::vector<std::array<Times, 2>>& rounds, F f) {
  std::vector<double> values;
  for (auto& round : rounds) values.push_back(f(round));
  return median(std::move(values));
}

}  // namespace

int main(int argc, char** argv) try {
  const Arguments a = parse(argc, argv);
  std::array<Side, 2> sides = {Side(a, {}), Side(a, {a.pass})};
  std::cout << "| | ms with " << a.pass
            << " | ms without | ratio | CPU ms with | without | ratio | "
            << "arena with, MiB | without |\n|---|---|---|---|---|---|---|---|---|\n"
            << std::fixed << std::setprecision(3);
  for (bool train : {true, false}) {
    std::vector<std::array<Times, 2>> rounds;
    for (int r = -2; r < a.rounds; ++r) {  // two to compile and to warm up
      const int first = r & 1;             // who begins takes turns, too
      std::array<Times, 2> round;
      for (int k : {first, 1 - first}) round[size_t(k)] = sides[size_t(k)].step(train);
      if (r >= 0) rounds.push_back(round);
    }
    std::cout << "| " << (train ? "training step" : "forward, eval");
    for (double Times::*t : {&Times::wall, &Times::cpu})
      std::cout << " | " << median_of(rounds, [&](auto& r) { return r[0].*t; }) << " | "
                << median_of(rounds, [&](auto& r) { return r[1].*t; }) << " | "
                << median_of(rounds, [&](auto& r) { return r[0].*t / (r[1].*t); });
    std::cout << " | " << sides[0].arena(train) << " | " << sides[1].arena(train) << " |\n";
  }
} catch (const std::exception& e) {
  std::cerr << "pass_bench: " << e.what() << "\n";
  return 1;
}
