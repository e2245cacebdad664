// `braid bench NET`: what a step takes, and where the time goes.
#include <sys/resource.h>

#include <braid/compiler/inspect.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <random>

#include <fmt/format.h>

#include "commands.h"
#include "json.h"
#include "network.h"
#include "output.h"

namespace braid::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int warm_up = 3, fewest = 5, most_timed = 20;
constexpr double seconds_by_default = 3;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Noise; whole numbers are 0, which is a class and a token in every network.
Array noise(const Type& type, int64_t batch, std::mt19937& random) {
  auto array = Array::zeros(type.dtype, type.dims(batch));
  if (type.dtype == DType::f32)
    for (float& x : array.as<float>()) x = std::normal_distribution<float>()(random);
  return array;
}

/// Work on one kind of thing in the steps that were timed.
struct Share {
  int64_t calls = 0;
  double seconds = 0;
};

using Shares = std::map<std::string, Share>;

class Bench {
 public:
  explicit Bench(const Arguments& a)
      : a_(a), session_(open_session(a, !a.weights.empty())), batch_(a.batch) {
    auto& model = session_.model();
    if (batch_ == 0) batch_ = model.batch.global;
    if (batch_ == 0)
      throw Error(Fault::usage, "E0705", "the file says nothing of the batch").help("--batch N");
    if (training() && !model.eval_only.empty())
      throw Error(Fault::usage, "E0705", "the network cannot be trained: " + model.eval_only)
          .help("--mode eval");
    for (auto& layer : model.layers) type_of_[layer.path] = layer.type;
    std::mt19937 random(1);
    for (auto& input : model.inputs) {
      arrays_.emplace(input.name, noise(input.type, batch_, random));
      pointers_.push_back(arrays_.at(input.name).bytes.data());
    }
    programs_ = training() ? session_.training_programs(batch_)
                           : std::vector<ProgramKey>{{.mode = Mode::eval, .batch = batch_}};
  }

  int run() {
    for (int i = 0; i < warm_up; ++i) step();
    const auto began = Clock::now();
    while (a_.steps ? int64_t(took_.size()) < *a_.steps
                    : int(took_.size()) < fewest || since(began) < seconds_by_default) {
      const auto start = Clock::now();
      step();
      took_.push_back(since(start));
    }
    std::ranges::sort(took_);
    watch();
    a_.json ? print_json() : print_text();
    return 0;
  }

 private:
  bool training() const { return a_.mode == "train"; }

  void step() {
    if (training())
      session_.step(pointers_, batch_, 0.0);
    else
      session_.executor(programs_[0]).run({.inputs = pointers_});
  }

  // A few more steps, each with the clock on.
  void watch() {
    for (auto& key : programs_) session_.executor(key).time_steps(true);
    const int steps = int(std::min<size_t>(took_.size(), most_timed));
    for (int i = 0; i < steps; ++i) {
      step();
      for (auto& key : programs_) add(session_.executor(key));
    }
    timed_ = steps;
  }

  void add(const Executor& executor) {
    auto& plan = executor.plan();
    auto times = executor.times();
    for (size_t i = 0; i < times.size(); ++i) {
      if (times[i].worker < 0) continue;
      const double seconds = double(times[i].end - times[i].begin) * 1e-9;
      auto count = [&](Shares& shares, const std::string& name) {
        auto& share = shares[name];
        ++share.calls, share.seconds += seconds;
      };
      auto& step = plan.steps[i];
      count(kinds_, kind(plan, step));
      if (step.kind == StepKind::kernel)
        count(kernels_,
              plan.nodes[size_t(step.node)].op + "  " + plan.kernels[size_t(step.kernel)].impl);
      if (auto point = sync(plan, step); !point.empty()) count(syncs_, point);
      worked_ += seconds;
    }
  }

  std::string kind(const Plan& plan, const Step& step) const {
    switch (step.kind) {
      case StepKind::transfer:
        return "transfers";
      case StepKind::hook:
        return "callbacks";
      case StepKind::gate:
        return "commit gate";
      case StepKind::sum:
        return "synchronization";
      case StepKind::kernel:
        break;
    }
    if (step.hi > step.lo) return "synchronization";
    auto& node = plan.nodes[size_t(step.node)];
    auto layer = type_of_.find(node.label);
    if (layer == type_of_.end()) return step.gated ? "optimizer" : node.op;
    return layer->second + (node.backward ? ", backward" : "");
  }

  // Merging, and moving what is merged.
  static std::string sync(const Plan& plan, const Step& step) {
    if (step.kind == StepKind::kernel && step.hi <= step.lo) return {};
    if (step.kind == StepKind::gate || step.kind == StepKind::hook) return {};
    for (auto& point : plan.syncs)
      if (point.node == step.node)
        return plan.nodes[size_t(step.node)].label + (point.backward ? ", backward" : "");
    return {};
  }

  double median() const { return took_[took_.size() / 2]; }

  int64_t arena_bytes() {
    int64_t bytes = 0;
    for (auto& key : programs_) {
      int64_t all = 0;
      for (auto& d : inspect(session_.plan(key)).devices) all += d.arena + d.state;
      bytes = std::max(bytes, all);
    }
    return bytes;
  }

  static int64_t peak_bytes() {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return int64_t(usage.ru_maxrss) * 1024;
  }

  static std::vector<std::pair<std::string, Share>> sorted(const Shares& shares) {
    std::vector<std::pair<std::string, Share>> all(shares.begin(), shares.end());
    std::ranges::stable_sort(all,
                             [](auto& x, auto& y) { return x.second.seconds > y.second.seconds; });
    return all;
  }

  Json rows(const Shares& shares) const {
    Json out = Json::array();
    for (auto& [name, share] : sorted(shares))
      out.push_back({{"name", name},
                     {"calls", double(share.calls) / timed_},
                     {"ms", share.seconds / timed_ * 1e3},
                     {"share", worked_ > 0 ? share.seconds / worked_ : 0}});
    return out;
  }

  void print_json() {
    auto& plan = session_.plan(programs_[0]);
    print(line(
        {{"name", session_.model().name},
         {"mode", a_.mode},
         {"batch", batch_},
         {"replicas", plan.replicas},
         {"devices", plan.devices},
         {"steps", took_.size()},
         {"ms",
          {{"median", median() * 1e3}, {"min", took_.front() * 1e3}, {"max", took_.back() * 1e3}}},
         {"images_per_second", double(batch_) / median()},
         {"plan_bytes", arena_bytes()},
         {"peak_bytes", peak_bytes()},
         {"worked_ms", worked_ / timed_ * 1e3},
         {"layers", rows(kinds_)},
         {"kernels", rows(kernels_)},
         {"sync_points", rows(syncs_)}}));
  }

  void print_text() {
    auto& plan = session_.plan(programs_[0]);
    std::string devices;
    for (auto& d : plan.devices) devices += (devices.empty() ? "" : ", ") + d;
    std::string text = fmt::format(
        "{}: {} steps of {} samples, {} replicas on {}\n\n"
        "step      {:.3g} ms   (median; {:.3g} to {:.3g})\n"
        "speed     {:.0f} samples/s\n"
        "memory    {} of the plan, {} of the process at its peak\n",
        session_.model().name, took_.size(), batch_, plan.replicas, devices, median() * 1e3,
        took_.front() * 1e3, took_.back() * 1e3, double(batch_) / median(),
        bytes_text(arena_bytes()), bytes_text(peak_bytes()));
    if (kinds_.empty()) {
      print(text + "\nWhere the time of a step goes is not known on these devices.\n");
      return;
    }
    text += fmt::format("\nOf {:.3g} ms that all workers together spend on a step:\n\n",
                        worked_ / timed_ * 1e3);
    text += table("layers", kinds_, 20) + "\n" + table("kernels", kernels_, 10);
    if (!syncs_.empty()) text += "\n" + table("sync points", syncs_, 10);
    print(text);
  }

  std::string table(const char* head, const Shares& shares, size_t most) const {
    Table table({head, "calls", "ms", "share"}, "lrrr");
    auto all = sorted(shares);
    Share rest;
    for (size_t i = 0; i < all.size(); ++i)
      if (i < most)
        table.row(cells(all[i].first, all[i].second));
      else
        rest.calls += all[i].second.calls, rest.seconds += all[i].second.seconds;
    if (all.size() > most) table.row(cells(fmt::format("{} more", all.size() - most), rest));
    return table.text();
  }

  std::vector<std::string> cells(const std::string& name, const Share& share) const {
    return {name, fmt::format("{:.3g}", double(share.calls) / timed_),
            fmt::format("{:.3f}", share.seconds / timed_ * 1e3),
            fmt::format("{:.1f} %", worked_ > 0 ? 100 * share.seconds / worked_ : 0)};
  }

  const Arguments& a_;
  Session session_;
  int64_t batch_;
  std::map<std::string, std::string> type_of_;  // by the path of a layer
  std::map<std::string, Array> arrays_;
  std::vector<const void*> pointers_;
  std::vector<ProgramKey> programs_;
  std::vector<double> took_;  // seconds, sorted in the end
  Shares kinds_, kernels_, syncs_;
  double worked_ = 0;
  int timed_ = 0;
};

}  // namespace

int bench_command(const Arguments& a) { return Bench(a).run(); }

}  // namespace braid::cli
