#include "run_log.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include <braid/core/error.h>
#include <fmt/format.h>

#include "file_text.h"
#include "json.h"
#include "output.h"

namespace braid::cli {
namespace {

constexpr size_t longest_line = 1 << 20, most_curves = 60, most_notes = 1000;
constexpr int64_t longest_record = 16 << 20;

std::string word(const Json& json, const char* key) {
  auto at = json.find(key);
  return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

double number(const Json& json, const char* key) {
  auto at = json.find(key);
  return at != json.end() && at->is_number() ? at->get<double>() : std::nan("");
}

int64_t whole(const Json& json, const char* key) {
  const double value = number(json, key);
  return value >= 0 && value < 9e15 ? int64_t(value) : 0;
}

// A value as a person reads it; lists are joined.
std::string shown(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string text;
  for (auto& item : value) text += (text.empty() ? "" : ", ") + shown(item);
  return text;
}

class Reader {
 public:
  RunLog read(const std::string& folder) {
    const auto text = file_text(folder + "/log.jsonl", "E0710");
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      line(std::string_view(text).substr(at, end - at));
      at = end + 1;
    }
    for (auto* curves : {&log_.train, &log_.test})
      for (auto& [name, curve] : *curves) sort(curve);
    sort(log_.rate);
    try {
      record(Json::parse(file_text(folder + "/run.json", "E0710", longest_record), nullptr, false));
    } catch (const Error&) {
      log_.recorded = false;  // runs of older versions, and of programs, have none
    }
    return std::move(log_);
  }

 private:
  static void sort(RunLog::Curve& curve) {
    std::ranges::stable_sort(curve, {}, &RunLog::Point::step);
  }

  void line(std::string_view text) {
    if (text.empty()) return;
    const Json event =
        text.size() > longest_line ? Json() : Json::parse(text.begin(), text.end(), nullptr, false);
    const auto kind = event.is_object() ? word(event, "event") : "";
    if (kind == "step")
      step(event);
    else if (kind == "eval")
      evaluation(event);
    else if (kind == "start")
      log_.planned = whole(event, "steps"), log_.ended.clear();
    else if (kind == "done")
      done(event);
    else if (kind == "checkpoint")
      log_.checkpoints.push_back(word(event, "path"));
    else if (kind == "note" && log_.notes.size() < most_notes)
      log_.notes.emplace_back(whole(event, "step"), word(event, "text"));
    else if (kind != "note")
      ++log_.unread;
  }

  static void add(RunLog::Curve& curve, int64_t step, double value) {
    if (std::isfinite(value)) curve.push_back({step, value});
  }

  void values(std::map<std::string, RunLog::Curve>& curves, const Json& event) {
    const int64_t at = whole(event, "step");
    log_.steps = std::max(log_.steps, at);
    add(curves["loss"], at, number(event, "loss"));
    auto metrics = event.find("metrics");
    if (metrics == event.end() || !metrics->is_object()) return;
    for (auto& [name, value] : metrics->items())
      if (name != "loss" && value.is_number() &&
          (curves.size() < most_curves || curves.contains(name)))
        add(curves[name], at, value.get<double>());
  }

  void step(const Json& event) {
    values(log_.train, event);
    add(log_.rate, whole(event, "step"), number(event, "lr"));
  }

  void evaluation(const Json& event) {
    values(log_.test, event);
    auto best = event.find("best");
    if (best != event.end() && *best == true) log_.best.push_back(whole(event, "step"));
  }

  void done(const Json& event) {
    auto stopped = event.find("stopped");
    log_.ended = stopped != event.end() && *stopped == true ? "stopped" : "done";
    log_.steps = std::max(log_.steps, whole(event, "steps"));
    log_.weights = word(event, "weights");
    log_.sha256 = word(event, "sha256");
    auto best = event.find("best");
    if (best == event.end() || !best->is_object()) return;
    log_.best_step = whole(*best, "step");
    log_.best_value = number(*best, "value");
  }

  static std::vector<std::pair<std::string, std::string>> facts(
      const Json& json, std::initializer_list<std::pair<const char*, const char*>> keys) {
    std::vector<std::pair<std::string, std::string>> out;
    for (auto& [key, name] : keys)
      if (auto at = json.find(key); at != json.end() && !at->is_object())
        if (auto text = shown(*at); !text.empty()) out.emplace_back(name, std::move(text));
    return out;
  }

  void record(const Json& json) {
    if (!json.is_object() || !json.contains("braid-run")) return;
    log_.recorded = true;
    log_.name = word(json, "name");
    log_.file = word(json, "file");
    log_.yaml = word(json, "yaml");
    log_.facts = facts(json, {{"file", "network"},
                              {"parameters", "parameters"},
                              {"batch", "batch"},
                              {"replicas", "replicas"},
                              {"seed", "seed"},
                              {"program", "program hash"}});
    if (auto set = json.find("set"); set != json.end() && set->is_object())
      for (auto& [key, value] : set->items()) log_.facts.emplace_back("--set " + key, shown(value));
    auto parts = json.find("parts");
    if (parts == json.end() || !parts->is_array()) return;
    for (auto& part : *parts)
      if (part.is_object()) add_part(part);
  }

  void add_part(const Json& part) {
    auto& to = log_.parts.emplace_back();
    to.facts = facts(part, {{"started", "started"},
                            {"ended", "ended"},
                            {"braid", "braid"},
                            {"devices", "devices"},
                            {"isa", "instruction set"},
                            {"engine", "engine"},
                            {"threads", "threads"},
                            {"cpu", "processor"},
                            {"cores", "cores"},
                            {"system", "system"},
                            {"host", "host"}});
    if (!part.contains("ended")) to.facts.emplace_back("ended", "it is running, or was killed");
    if (part.contains("last"))
      to.facts.emplace_back("steps",
                            fmt::format("{} to {}", whole(part, "first") + 1, whole(part, "last")));
    if (const double s = number(part, "seconds"); s >= 0) {
      to.facts.emplace_back("time", fmt::format("{:.3g} s", s));
      log_.seconds += s;
    }
    if (const double rate = number(part, "images_per_second"); rate > 0) {
      to.facts.emplace_back("speed", fmt::format("{:.0f} images/s", rate));
      log_.images_per_second = rate;
    }
  }

  RunLog log_;
};

}  // namespace

RunLog read_run(const std::string& folder) {
  try {
    return Reader().read(folder);
  } catch (const Error& error) {
    auto d = error.diagnostics().front();
    throw Error(error.fault(),
                {std::move(d.help("name the folder that `braid train --out` wrote"))});
  }
}

}  // namespace braid::cli
