// What a forward pass costs beside its kernels: single samples through Session::run, bound and not.
//
//   build/release/bin/latency_bench [NET] [--output NAME] [--samples N] [--threads N] [--calls N]
//
// By turns: a bound call with the clock of the steps off, its executor with the clock on (the sum
// of its steps' times), and run() with arrays by name. Overhead is the median of the bound calls
// less the median of the sums; the clock's own cost stands beside it. Allocations are those of one
// call, by operator new; oneDNN's are told apart by who asks.
#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>

#include <braid/core/random.h>
#include <braid/runtime/session.h>

namespace {
std::atomic<bool> counting{false};
std::atomic<int> ours{0}, of_onednn{0};
}  // namespace

[[gnu::noinline]] void* operator new(size_t size) {
  if (counting) {
    Dl_info info{};
    const bool theirs =
        dladdr(__builtin_return_address(0), &info) && std::strstr(info.dli_fname, "libdnnl");
    ++(theirs ? of_onednn : ours);
  }
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

using namespace braid;

namespace {

struct Arguments {
  std::string net = "examples/fashion/fashion.yaml", output;
  int64_t samples = 1;
  int threads = 0, calls = 2000;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (!flag.starts_with("--")) {
      a.net = flag;
      continue;
    }
    if (i + 1 == argc) throw std::invalid_argument(flag + " needs a value");
    const std::string value = argv[++i];
    if (flag == "--output")
      a.output = value;
    else if (flag == "--samples")
      a.samples = std::stoll(value);
    else if (flag == "--threads")
      a.threads = std::stoi(value);
    else if (flag == "--calls")
      a.calls = std::stoi(value);
    else
      throw std::invalid_argument("unknown argument " + flag + ", see the source");
  }
  return a;
}

double microseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

double sum_of(std::span<const StepTime> times) {
  double sum = 0;
  for (auto& time : times)
    if (time.worker >= 0) sum += double(time.end - time.begin) / 1e3;
  return sum;
}

struct Series {
  std::vector<double> values = {};
  double at(double share) {
    auto place = values.begin() + std::ptrdiff_t(share * double(values.size() - 1));
    std::nth_element(values.begin(), place, values.end());
    return *place;
  }
  void print(const char* name) {
    std::printf("%-34s %9.1f %9.1f %9.1f\n", name, at(0.5), at(0.99), at(0));
  }
};

std::pair<int, int> allocations(const std::function<void()>& work) {
  ours = of_onednn = 0;
  counting = true;
  work();
  counting = false;
  return {ours, of_onednn};
}

int run(const Arguments& a) {
  Session session = Session::open(a.net, {.threads = a.threads});
  auto& model = session.model();
  const std::string name = a.output.empty() ? model.outputs.at(0).name : a.output;
  const auto& input = model.inputs.at(0);
  Array x = Array::zeros(input.type.dtype, input.type.dims(a.samples));
  if (x.dtype == DType::f32)
    for (size_t i = 0; i < x.as<float>().size(); ++i) x.as<float>()[i] = float(normal(1, i));
  const Type type = session.output_type(name);
  Array y = Array::zeros(type.dtype, type.dims(a.samples));
  Bound call = session.bind({{input.name, x}}, {{name, y}});
  Executor& executor = session.executor(
      {.mode = Mode::eval, .batch = a.samples, .wanted = {name}, .goal = Goal::forward});
  const std::map<std::string, Array> named = {{input.name, x}};
  StepArgs args{.inputs = std::vector<const void*>(model.inputs.size())};
  args.inputs[0] = x.bytes.data();

  Series bound, kernels, clocked, by_name;
  for (int i = -20; i < a.calls; ++i) {
    const double one = microseconds([&] { session.run(call); });
    executor.time_steps(true);
    const double timed = microseconds([&] { executor.run(args); });
    const double sum = sum_of(executor.times());
    executor.time_steps(false);
    const double arrays = microseconds([&] { session.run(named, {name}); });
    if (i < 0) continue;
    bound.values.push_back(one), kernels.values.push_back(sum);
    clocked.values.push_back(timed), by_name.values.push_back(arrays);
  }
  std::printf("%s, %ld sample(s), %zu steps in %zu strands, %d calls\n", model.name.c_str(),
              long(a.samples), executor.plan().steps.size(), executor.plan().strands.size(),
              a.calls);
  std::printf("%-34s %9s %9s %9s\n", "microseconds", "p50", "p99", "least");
  bound.print("Session::run, bound");
  kernels.print("sum of the steps' times");
  clocked.print("executor with the clock on");
  by_name.print("Session::run, arrays by name");
  std::printf("%-34s %9.1f\n", "overhead of the bound call", bound.at(0.5) - kernels.at(0.5));
  const auto [own, theirs] = allocations([&] { session.run(call); });
  std::printf("allocations of a bound call: %d of Braid, %d of oneDNN\n", own, theirs);
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
