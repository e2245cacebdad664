#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>
#include <utility>

#include <braid/runtime/schedule.h>

#include "data/keys.h"

namespace braid {

namespace {

using Curve = std::function<double(double, int64_t)>;

/// The steps over which a rate falls.
struct Span {
  int64_t begin, end;

  double progress(int64_t step) const {
    double done = double(step - begin) / double(std::max<int64_t>(end - begin, 1));
    return std::clamp(done, 0.0, 1.0);
  }
};

Curve constant(Keys&, Span) {
  return [](double base, int64_t) { return base; };
}

Curve step(Keys& keys, Span) {
  int64_t size = keys.integer("step_size", {.otherwise = 1, .required = true, .least = 1});
  double gamma = keys.number("gamma", {.otherwise = 0.1, .least = 0});
  return [=](double base, int64_t step) {
    int64_t falls = step / size;
    return base * std::pow(gamma, double(falls));
  };
}

std::vector<int64_t> milestones_of(Keys& keys) {
  std::vector<int64_t> milestones;
  const Attr* list = keys.required("milestones");
  if (!list) return milestones;
  bool good = list->is<Attr::List>();
  for (const Attr& item : good ? list->as_list() : Attr::List{}) {
    good = good && item.is<int64_t>() && item.as_int() > 0 &&
           (milestones.empty() || item.as_int() > milestones.back());
    if (good) milestones.push_back(item.as_int());
  }
  if (!good) keys.wrong(*list, "milestones", "a list of rising steps");
  return milestones;
}

Curve multistep(Keys& keys, Span) {
  std::vector<int64_t> milestones = milestones_of(keys);
  double gamma = keys.number("gamma", {.otherwise = 0.1, .least = 0});
  return [=](double base, int64_t step) {
    auto passed = std::upper_bound(milestones.begin(), milestones.end(), step);
    return base * std::pow(gamma, double(passed - milestones.begin()));
  };
}

Curve cosine(Keys& keys, Span span) {
  double least = keys.number("min_lr", {.least = 0});
  return [=](double base, int64_t step) {
    double share = (1 + std::cos(std::numbers::pi * span.progress(step))) / 2;
    return least + (base - least) * share;
  };
}

Curve poly(Keys& keys, Span span) {
  double power = keys.number("power", {.otherwise = 1, .least = 0, .zero = false});
  double least = keys.number("min_lr", {.least = 0});
  return [=](double base, int64_t step) {
    return least + (base - least) * std::pow(1 - span.progress(step), power);
  };
}

/// One of several words.
std::string choice(Keys& keys, const std::string& key, const std::vector<std::string>& words) {
  const Attr* value = keys.get(key);
  if (!value) return words[0];
  if (value->is<std::string>() && std::ranges::count(words, value->as_text()))
    return value->as_text();
  keys.wrong(*value, key, listed(words));
  return words[0];
}

/// A number above 0 and below 1.
double share(Keys& keys, const std::string& key, double otherwise) {
  const double number = keys.number(key, {.otherwise = otherwise, .least = 0, .zero = false});
  if (number < 1) return number;
  keys.wrong(*keys.get(key), key, "a number below 1");
  return otherwise;
}

/// A stretch of a cycle: shares of the base at both ends, and the step at which it ends.
struct Leg {
  double end, from, to;
};

Curve one_cycle(Keys& keys, Span span) {
  const double start = share(keys, "pct_start", 0.3) * double(span.end);
  const bool cosine = choice(keys, "anneal_strategy", {"cos", "linear"}) == "cos";
  const double low = 1 / keys.number("div_factor", {.otherwise = 25, .least = 0, .zero = false});
  const double end =
      low / keys.number("final_div_factor", {.otherwise = 1e4, .least = 0, .zero = false});
  const bool three = keys.flag("three_phase", false);
  const auto last = double(span.end - 1);
  std::vector<Leg> legs = {{start - 1, low, 1}};
  if (three) legs.push_back({2 * start - 2, 1, low});
  legs.push_back({last, three ? low : 1, end});
  return [=](double base, int64_t step) {
    double begin = 0;
    const double at = std::min(double(step), last);
    for (const Leg& leg : legs) {
      if (at > leg.end || leg.end <= begin) {
        begin = leg.end;
        continue;
      }
      const double done = (at - begin) / (leg.end - begin);
      const double left = cosine ? (1 + std::cos(std::numbers::pi * done)) / 2 : 1 - done;
      return base * (leg.to + (leg.from - leg.to) * left);
    }
    return base * end;
  };
}

PlateauRule plateau_rule(Keys& keys) {
  return {.factor = share(keys, "factor", 0.1),
          .patience = keys.integer("patience", {.otherwise = 10, .least = 0}),
          .threshold = keys.number("threshold", {.otherwise = 1e-4, .least = 0}),
          .relative = choice(keys, "threshold_mode", {"rel", "abs"}) == "rel",
          .cooldown = keys.integer("cooldown", {.least = 0}),
          .min_lr = keys.number("min_lr", {.least = 0}),
          .eps = keys.number("eps", {.otherwise = 1e-8, .least = 0})};
}

/// What it goes by is no matter of the step.
Curve plateau(Keys& keys, Span span) {
  plateau_rule(keys);
  return constant(keys, span);
}

struct Kind {
  std::string_view name;
  Curve (*make)(Keys&, Span);
  bool to_the_end = false;  ///< it falls until the last step
  bool warms_up = true;
};

constexpr std::array<Kind, 7> kinds = {{{"constant", constant},
                                        {"step", step},
                                        {"multistep", multistep},
                                        {"cosine", cosine, true},
                                        {"poly", poly, true},
                                        {"one_cycle", one_cycle, true, false},
                                        {"plateau", plateau}}};

std::pair<Curve, int64_t> read(const TypedDict& declared, std::optional<int64_t> total,
                               Diagnostics& found) {
  auto kind = std::find_if(kinds.begin(), kinds.end(),
                           [&](const Kind& k) { return k.name == declared.type; });
  if (kind == kinds.end()) {
    unknown_type(found, declared.type_mark, "schedule", declared.type, schedule_types());
    return {};
  }
  if (kind->to_the_end && !total)
    found
        .error("E0084", declared.type_mark,
               "schedule '" + declared.type +
                   "' falls until the last step, and minutes alone do not say which that is")
        .help("give steps or epochs beside minutes: the run ends with the first of them");
  Keys keys(declared.params, declared.mark, "schedule '" + declared.type + "'", found);
  int64_t warmup = kind->warms_up ? keys.integer("warmup_steps", {.least = 0}) : 0;
  Curve curve = kind->make(keys, {warmup, total.value_or(1)});
  keys.finish();
  return {std::move(curve), warmup};
}

}  // namespace

std::vector<std::string> schedule_types() {
  std::vector<std::string> names;
  names.reserve(kinds.size());
  for (const Kind& kind : kinds) names.emplace_back(kind.name);
  return names;
}

void check_schedule(const TypedDict& declared, Diagnostics& found, bool open_ended) {
  read(declared, open_ended ? std::nullopt : std::optional<int64_t>(1), found);
}

Schedule Schedule::make(const TypedDict& declared, std::optional<int64_t> total_steps) {
  Diagnostics found;
  Schedule schedule;
  std::tie(schedule.curve_, schedule.warmup_) = read(declared, total_steps, found);
  if (declared.type == "plateau") {
    Keys keys(declared.params, declared.mark, "schedule 'plateau'", found);
    schedule.plateau_ = plateau_rule(keys);
  }
  found.raise(Fault::model);
  return schedule;
}

double Schedule::lr(double base, int64_t step, int64_t falls) const {
  if (step < warmup_) return base * double(step + 1) / double(warmup_);
  if (plateau_)
    for (int64_t i = 0; i < falls; ++i) {
      const double lower = std::max(base * plateau_->factor, plateau_->min_lr);
      if (base - lower > plateau_->eps) base = lower;
    }
  return curve_ ? curve_(base, step) : base;
}

}  // namespace braid
