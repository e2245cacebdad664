// Training steps on random data, and nothing else, against the clock.
//
//   train_bench NET [--batch N] [--threads N] [--engine E] [--rounds N] [--steps N]
//                                      one line of JSON for each round of steps
//   train_bench NET --set KEY=VALUE    another value of the file, as `braid` takes it
//   train_bench NET --disable-pass PASS   without a pass, as `braid` takes it
//   train_bench NET --serve            a round whenever a number of steps arrives on standard input
//                                      (train_vs_torch.py lets Braid and PyTorch take turns)
//   train_bench NET --profile          where the time of a step goes, by operation, on one thread
#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>

#include <sys/resource.h>
#include <time.h>

#include <braid/runtime/session.h>

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double thread_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

struct Usage {
  double cpu_seconds;
  long page_faults;

  static Usage now() {
    rusage u;
    getrusage(RUSAGE_SELF, &u);
    auto seconds = [](timeval t) { return double(t.tv_sec) + double(t.tv_usec) * 1e-6; };
    return {seconds(u.ru_utime) + seconds(u.ru_stime), u.ru_minflt + u.ru_majflt};
  }
};

/// Of this process, in bytes: "VmRSS" what is resident now, "VmHWM" the most there ever was.
int64_t resident(const std::string& which) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(which + ":")) return 1024 * std::stoll(line.substr(which.size() + 1));
  throw std::runtime_error("/proc/self/status does not say " + which);
}

struct Arguments {
  std::string net, engine = "tbb";
  std::vector<std::pair<std::string, std::string>> set;
  std::set<std::string> disabled;
  int64_t batch = 256, classes = 10;
  int threads = 1, rounds = 10, steps = 10;
  std::optional<int64_t> replicas;
  bool serve = false, profile = false;
};

std::pair<std::string, std::string> assignment(const std::string& text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos) throw std::invalid_argument("--set wants KEY=VALUE");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    auto number = [&] {
      if (++i >= argc) throw std::invalid_argument(flag + " needs a number");
      return std::stoi(argv[i]);
    };
    if (flag == "--batch")
      a.batch = number();
    else if (flag == "--classes")
      a.classes = number();
    else if (flag == "--threads")
      a.threads = number();
    else if (flag == "--replicas")
      a.replicas = number();
    else if (flag == "--rounds")
      a.rounds = number();
    else if (flag == "--steps")
      a.steps = number();
    else if (flag == "--engine" && i + 1 < argc)
      a.engine = argv[++i];
    else if (flag == "--set" && i + 1 < argc)
      a.set.push_back(assignment(argv[++i]));
    else if (flag == "--disable-pass" && i + 1 < argc)
      a.disabled.insert(argv[++i]);
    else if (flag == "--serve")
      a.serve = true;
    else if (flag == "--profile")
      a.profile = true;
    else if (flag.starts_with("--") || !a.net.empty())
      throw std::invalid_argument("unknown argument " + flag);
    else
      a.net = flag;
  }
  if (a.net.empty()) throw std::invalid_argument("train_bench NET [options], see the source");
  if (a.profile) a.engine = "serial";
  return a;
}

// Noise for images, classes for labels.
braid::Array random_input(const braid::Type& type, const Arguments& a, std::mt19937& random) {
  auto array = braid::Array::zeros(type.dtype, type.dims(a.batch));
  if (type.dtype == braid::DType::f32)
    for (float& x : array.as<float>()) x = std::normal_distribution<float>()(random);
  if (type.dtype == braid::DType::i64)
    for (int64_t& x : array.as<int64_t>()) x = int64_t(random() % uint64_t(a.classes));
  return array;
}

class Bench {
 public:
  explicit Bench(const Arguments& a)
      : a_(a),
        session_(braid::Session::open(
            a.net, {.threads = a.threads, .engine = a.engine, .disabled = a.disabled},
            {.set = a.set, .replicas = a.replicas})) {
    std::mt19937 random(1);
    for (auto& input : session_.model().inputs) {
      inputs_.push_back(random_input(input.type, a, random));
      pointers_.push_back(inputs_.back().bytes.data());
    }
    resident_before_ = resident("VmRSS");
    run(3);  // compiles the program and warms it up
  }

  double run(int steps) {
    auto start = Clock::now();
    for (int i = 0; i < steps; ++i) loss_ = session_.step(pointers_, a_.batch, 0.01).loss;
    return since(start);
  }

  void round(int steps) {
    Usage before = Usage::now();
    double seconds = run(steps);
    Usage after = Usage::now();
    nlohmann::json line = {{"steps", steps},
                           {"seconds", seconds},
                           {"cpu_seconds", after.cpu_seconds - before.cpu_seconds},
                           {"page_faults", after.page_faults - before.page_faults},
                           {"images_per_second", double(a_.batch) * steps / seconds},
                           {"resident_before_bytes", resident_before_},
                           {"peak_bytes", resident("VmHWM")},
                           {"loss", loss_}};
    std::cout << line.dump() << std::endl;
  }

  void profile(int steps);

 private:
  const Arguments& a_;
  braid::Session session_;
  std::vector<braid::Array> inputs_;
  std::vector<const void*> pointers_;
  double loss_ = 0;
  int64_t resident_before_ = 0;  ///< before the first step
};

struct Row {
  int calls = 0;
  double seconds = 0, bytes = 0;
};

std::string kind_of(const braid::Plan& plan, const braid::Step& step) {
  if (step.kind == braid::StepKind::gate) return "all steps behind the gate: optimizer, statistics";
  if (step.kind == braid::StepKind::transfer) return "transfer";
  auto& use = plan.kernels[size_t(step.kernel)];
  std::string in;
  for (auto& operand : use.signature.in) {
    in += in.empty() ? "" : " ";
    for (size_t d = 0; d < operand.dims.size(); ++d)
      in += (d ? "x" : "") + std::to_string(operand.dims[d]);
    if (!operand.format.empty()) in += ":" + operand.format;
  }
  return use.signature.op + " | " + use.impl + " | " + in;
}

double bytes_of(const braid::Plan& plan, const braid::Step& step) {
  double bytes = 0;
  for (int i = 0; i < step.inputs + step.outputs; ++i)
    bytes += double(plan.slots[size_t(plan.operands[size_t(step.first + i)])].bytes);
  return bytes;
}

// With one thread, what lies between two calls of the hook is one step. The thread's own clock does
// not see other programs, but for what they do to caches and memory.
void Bench::profile(int steps) {
  auto& executor = session_.executor(braid::Mode::train, a_.batch);
  const braid::Plan& plan = executor.plan();
  std::map<std::string, Row> rows;
  Row* current = nullptr;
  double last = 0;
  auto close = [&] {
    double now = thread_seconds();
    if (current) current->seconds += now - last;
    last = now;
  };
  executor.on_step([&](int id) {
    close();
    auto& step = plan.steps[size_t(id)];
    current = &rows[kind_of(plan, step)];
    ++current->calls;
    current->bytes += bytes_of(plan, step);
  });
  double start = thread_seconds();
  for (int i = 0; i < steps; ++i) {
    current = nullptr;
    last = thread_seconds();
    run(1);
    close();
  }
  double total = thread_seconds() - start;
  std::vector<std::pair<std::string, Row>> sorted(rows.begin(), rows.end());
  std::ranges::sort(sorted, [](auto& x, auto& y) { return x.second.seconds > y.second.seconds; });
  std::cout << std::fixed << std::setprecision(1);
  std::cout << "| operation | kernel | inputs | calls | us a step | share % | GB/s |\n"
            << "|---|---|---|---|---|---|---|\n";
  for (auto& [name, row] : sorted)
    std::cout << "| " << name << " | " << double(row.calls) / steps << " | "
              << row.seconds / steps * 1e6 << " | " << 100 * row.seconds / total << " | "
              << row.bytes / row.seconds * 1e-9 << " |\n";
  std::cout << "\n"
            << total / steps * 1e3 << " ms a step, " << double(a_.batch) * steps / total
            << " img/s with the clock running\n";
}

}  // namespace

int main(int argc, char** argv) try {
  Arguments arguments = parse(argc, argv);
  Bench bench(arguments);
  if (arguments.profile) {
    bench.profile(arguments.rounds * arguments.steps);
  } else if (arguments.serve) {
    for (int steps; std::cin >> steps;) bench.round(steps);
  } else {
    for (int i = 0; i < arguments.rounds; ++i) bench.round(arguments.steps);
  }
} catch (const std::exception& e) {
  std::cerr << "train_bench: " << e.what() << "\n";
  return 1;
}
