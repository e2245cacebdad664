// `braid compare A B`: the first step and tensor in which two runs, or two files, differ.
#include <braid/runtime/compare.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include <braid/runtime/checkpoint.h>
#include <braid/runtime/safetensors.h>
#include <fmt/format.h>

#include "commands.h"
#include "json.h"
#include "output.h"

namespace braid::cli {
namespace {

namespace fs = std::filesystem;

constexpr int differs = 1;
constexpr size_t shown = 20;  // tensors; --json has all

// What a run has left behind.
struct Run {
  std::map<int64_t, Json> steps;               // of log.jsonl
  std::map<int64_t, std::string> checkpoints;  // paths
  std::string weights;                         // the path, or ""
};

Run read_run(const std::string& folder) {
  Run run;
  std::ifstream log(folder + "/log.jsonl");
  for (std::string text; std::getline(log, text);) {
    auto event = Json::parse(text, nullptr, false);
    if (!event.is_object() || event.value("event", "") != "step") continue;
    const auto step = event.value("step", int64_t{0});
    run.steps[step] = std::move(event);
  }
  for (auto& path : list_checkpoints(folder)) run.checkpoints[read_checkpoint(path).step] = path;
  if (fs::is_regular_file(folder + "/weights.safetensors"))
    run.weights = folder + "/weights.safetensors";
  if (run.steps.empty() && run.checkpoints.empty() && run.weights.empty())
    throw Error(Fault::data, "E0324", folder + ": neither checkpoints nor weights nor log.jsonl")
        .help("two folders that `braid train --out` has written to, or two safetensors files");
  return run;
}

std::string at_text(const std::vector<int64_t>& at) {
  return fmt::format("[{}]", fmt::join(at, ", "));
}

std::string exactly(double value) { return fmt::format("{:.9g}", value); }

Json number(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

Json to_json(const TensorDifference& d) {
  using Kind = TensorDifference::Kind;
  switch (d.kind) {
    case Kind::only_first:
      return {{"tensor", d.name}, {"only", "A"}, {"type", d.first}};
    case Kind::only_second:
      return {{"tensor", d.name}, {"only", "B"}, {"type", d.second}};
    case Kind::type:
      return {{"tensor", d.name}, {"types", {d.first, d.second}}};
    case Kind::values:
      break;
  }
  return {{"tensor", d.name},
          {"elements", d.elements},
          {"different", d.different},
          {"largest", number(d.largest)},
          {"relative", number(d.relative)},
          {"at", d.at},
          {"values", {number(d.a), number(d.b)}}};
}

std::string text_of(const std::vector<TensorDifference>& found) {
  using Kind = TensorDifference::Kind;
  Table table({"tensor", "differ", "of", "largest", "relative", "first at", "A", "B"}, "lrrrrlrr");
  bool values = false;
  std::string others;
  for (size_t i = 0; i < std::min(found.size(), shown); ++i) {
    auto& d = found[i];
    if (d.kind == Kind::values) {
      values = true;
      table.row({d.name, grouped(d.different), grouped(d.elements),
                 fmt::format("{:.1e}", d.largest), fmt::format("{:.1e}", d.relative), at_text(d.at),
                 exactly(d.a), exactly(d.b)});
    } else if (d.kind == Kind::type) {
      others += d.name + ": " + d.first + " in A, " + d.second + " in B\n";
    } else {
      const bool first = d.kind == Kind::only_first;
      others += d.name + ": only in " + (first ? "A, " + d.first : "B, " + d.second) + "\n";
    }
  }
  std::string text = (values ? table.text() : "") + others;
  if (found.size() > shown)
    text += fmt::format("and {} more (--json names all)\n", found.size() - shown);
  return text;
}

// Collects what is said, and whether it is a difference.
class Comparison {
 public:
  explicit Comparison(const Arguments& a) : a_(a) {}

  int run() {
    const bool folders = fs::is_directory(a_.target);
    if (folders != fs::is_directory(a_.other))
      throw Error(Fault::usage, "E0705", "one of the two is a folder, the other one is not")
          .help("two runs, or two safetensors files");
    folders ? runs() : files();
    result_["equal"] = equal_;
    print(a_.json ? line(result_) : text_);
    return equal_ ? 0 : differs;
  }

 private:
  void files() {
    auto first = read_safetensors(a_.target), second = read_safetensors(a_.other);
    metadata(first.metadata, second.metadata);
    tensors(first.tensors, second.tensors);
    if (equal_) say(fmt::format("{} tensors, equal bit for bit\n", first.tensors.size()));
  }

  void runs() {
    const Run first = read_run(a_.target), second = read_run(a_.other);
    const auto logged = first_difference(first.steps, second.steps);
    int64_t compared = 0;
    for (auto& [step, path] : first.checkpoints) {
      auto other = second.checkpoints.find(step);
      if (other == second.checkpoints.end()) continue;
      ++compared;
      auto x = read_checkpoint(path), y = read_checkpoint(other->second);
      if (x.tensors == y.tensors) continue;
      say(fmt::format("checkpoints of step {}: the first that differ\n", step));
      result_["checkpoint"] = step;
      metadata(x.metadata, y.metadata);
      tensors(x.tensors, y.tensors);
      return;
    }
    const bool as_long = last(first) == last(second);
    if (!as_long)
      say(fmt::format("A has {} steps, B {}: their last weights are not compared\n", last(first),
                      last(second)));
    if (as_long && !first.weights.empty() && !second.weights.empty()) {
      auto x = read_safetensors(first.weights), y = read_safetensors(second.weights);
      if (x.tensors != y.tensors) {
        say("weights.safetensors differ\n");
        metadata(x.metadata, y.metadata);
        return tensors(x.tensors, y.tensors);
      }
      ++compared;
    }
    if (!logged && equal_) nothing_differs(first, second, compared);
  }

  static int64_t last(const Run& run) { return run.steps.empty() ? 0 : run.steps.rbegin()->first; }

  void nothing_differs(const Run& first, const Run& second, int64_t files) {
    const int64_t steps = std::ranges::count_if(
        first.steps, [&](auto& entry) { return second.steps.contains(entry.first); });
    if (steps + files == 0)
      throw Error(Fault::data, "E0324", "the two runs have no step in common")
          .help("train both for as many steps");
    say(fmt::format("equal: {} steps of the logs, {} files bit for bit\n", steps, files));
  }

  // Losses, rates and metrics are printed with all their digits.
  std::optional<int64_t> first_difference(const std::map<int64_t, Json>& a,
                                          const std::map<int64_t, Json>& b) {
    int64_t equal = 0;
    for (auto& [step, event] : a) {
      auto other = b.find(step);
      if (other == b.end()) continue;
      for (auto& [key, value] : event.items()) {
        const Json theirs = other->second.value(key, Json());
        if (theirs == value) continue;
        say(fmt::format(
            "log.jsonl: step {} is the first that differs ({} before it are equal): {} {} "
            "in A, {} in B\n",
            step, equal, key, value.dump(), theirs.dump()));
        result_["step"] = step;
        result_["logged"] = {{"key", key}, {"values", {value, theirs}}};
        equal_ = false;
        return step;
      }
      ++equal;
    }
    return {};
  }

  // What explains a difference; none by itself.
  void metadata(const std::map<std::string, std::string>& a,
                const std::map<std::string, std::string>& b) {
    Json found = Json::object();
    auto note = [&](const std::string& key, const Json& x, const Json& y) {
      found[key] = {x, y};
      auto text = [](const Json& j) { return j.is_null() ? "absent" : j.get<std::string>(); };
      say(fmt::format("{}: {} in A, {} in B\n", key, text(x), text(y)));
    };
    auto counts = [](const std::string& key) { return key != "braid.xxh3"; };  // of the tensors
    for (auto& [key, value] : a)
      if (auto other = b.find(key); !counts(key))
        continue;
      else if (other == b.end())
        note(key, value, nullptr);
      else if (other->second != value)
        note(key, value, other->second);
    for (auto& [key, value] : b)
      if (counts(key) && !a.contains(key)) note(key, nullptr, value);
    if (!found.empty()) result_["metadata"] = found;
  }

  void tensors(const std::map<std::string, Array>& a, const std::map<std::string, Array>& b) {
    auto found = differences(a, b);
    if (a_.tolerance > 0)
      std::erase_if(found, [&](auto& d) {
        return d.kind == TensorDifference::Kind::values && d.relative <= a_.tolerance;
      });
    if (found.empty()) return;
    equal_ = false;
    Json list = Json::array();
    for (auto& d : found) list.push_back(to_json(d));
    result_["tensors"] = list;
    say(text_of(found));
    say(fmt::format("{} of {} tensors differ\n", found.size(), std::max(a.size(), b.size())));
  }

  void say(const std::string& text) { text_ += text; }

  const Arguments& a_;
  bool equal_ = true;
  std::string text_;
  Json result_ = Json::object();
};

}  // namespace

int compare_command(const Arguments& a) { return Comparison(a).run(); }

}  // namespace braid::cli
