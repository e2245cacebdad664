#include <cmath>

#include <braid/runtime/schedule.h>
#include <gtest/gtest.h>

#include "runtime/temp_folder.h"

namespace braid {
namespace {

TypedDict declared(std::string type, Dict params = {}) {
  auto source = std::make_shared<Source>(Source{"net.yaml", {}});
  for (size_t i = 0; i < params.size(); ++i) {
    params[i].mark = params[i].value.mark = Mark{source, 9, int(i + 1)};
  }
  return {std::move(type), std::move(params), {source, 8, 1}, {source, 8, 5}};
}

std::vector<double> rates(const TypedDict& d, int64_t total, double base = 0.1) {
  Schedule schedule = Schedule::make(d, total);
  std::vector<double> found;
  for (int64_t step = 0; step < total; ++step) found.push_back(schedule.lr(base, step));
  return found;
}

void expect_rates(const TypedDict& d, const std::vector<double>& expected) {
  std::vector<double> found = rates(d, int64_t(expected.size()), 1.0);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], 1e-12) << d.type << " step " << i;
  }
}

std::string faults(const TypedDict& d) {
  Diagnostics found;
  check_schedule(d, found);
  std::string text;
  for (const Diagnostic& f : found.all()) {
    text += to_string(f.mark) + ": " + f.code + ": " + f.message + "\n";
  }
  return text;
}

TEST(Schedule, Constant) {
  expect_rates(declared("constant"), {1, 1, 1});
  EXPECT_EQ(Schedule().lr(0.1, 5), 0.1);
}

TEST(Schedule, Step) {
  expect_rates(declared("step", {{"step_size", 2}, {"gamma", 0.5}}), {1, 1, .5, .5, .25, .25});
}

TEST(Schedule, Multistep) {
  expect_rates(declared("multistep", {{"milestones", Attr::List{1, 4}}}), {1, .1, .1, .1, .01});
}

// PyTorch's CosineAnnealingLR(T_max=4, eta_min=0.2) from 1.
TEST(Schedule, Cosine) {
  expect_rates(declared("cosine", {{"min_lr", 0.2}}),
               {1, 0.6 + 0.4 * std::sqrt(0.5), 0.6, 0.6 - 0.4 * std::sqrt(0.5)});
  EXPECT_NEAR(Schedule::make(declared("cosine"), 4).lr(1, 4), 0, 1e-15);
  EXPECT_NEAR(Schedule::make(declared("cosine"), 4).lr(1, 9), 0, 1e-15);
}

TEST(Schedule, Poly) {
  expect_rates(declared("poly", {{"power", 2}}), {1, .5625, .25, .0625});
  expect_rates(declared("poly", {{"min_lr", 0.5}}), {1, .75});
}

// The numbers of PyTorch's OneCycleLR over 10 steps, max_lr 1.
TEST(Schedule, OneCycle) {
  expect_rates(declared("one_cycle"), {0.04, 0.52, 1, 0.950484632013, 0.81174565395, 0.611262021936,
                                       0.388741978064, 0.18825834605, 0.0495193679865, 4e-06});
  expect_rates(declared("one_cycle", {{"anneal_strategy", "linear"},
                                      {"pct_start", 0.4},
                                      {"div_factor", 10},
                                      {"final_div_factor", 100}}),
               {0.1, 0.4, 0.7, 1, 0.8335, 0.667, 0.5005, 0.334, 0.1675, 0.001});
  expect_rates(declared("one_cycle", {{"three_phase", true}}),
               {0.04, 0.52, 1, 0.52, 0.04, 0.0361807218535, 0.0261817218535, 0.0138222781465,
                0.00382327814649, 4e-06});
  EXPECT_NEAR(Schedule::make(declared("one_cycle"), 10).lr(1, 12), 4e-06, 1e-12);
  EXPECT_TRUE(std::isfinite(Schedule::make(declared("one_cycle"), 1).lr(1, 0)));
  EXPECT_NE(faults(declared("one_cycle", {{"warmup_steps", 3}})), "");
  EXPECT_NE(faults(declared("one_cycle", {{"pct_start", 1}})), "");
  EXPECT_NE(faults(declared("one_cycle", {{"anneal_strategy", "cosine"}})), "");
}

// The rates that PyTorch's ReduceLROnPlateau gives after each of these losses.
TEST(Schedule, Plateau) {
  auto after = [](Dict params, const std::vector<double>& losses) {
    Schedule schedule = Schedule::make(declared("plateau", std::move(params)), {});
    Plateau plateau(*schedule.plateau());
    std::vector<double> rates;
    for (double loss : losses) {
      // What a checkpoint keeps is all it knows.
      std::map<std::string, std::string> metadata;
      plateau.store("it", metadata);
      plateau = Plateau(*schedule.plateau());
      plateau.restore("it", metadata);
      plateau.see(int64_t(rates.size()) + 1, loss);
      rates.push_back(schedule.lr(1, 100, plateau.falls()));
    }
    return rates;
  };
  const std::vector<double> losses = {5, 4, 4, 3.9999, 4, 4, 4, 3, 3, 3, 3};
  EXPECT_EQ(after({{"patience", 1}, {"factor", 0.5}}, losses),
            (std::vector<double>{1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125, 0.125}));
  EXPECT_EQ(after({{"patience", 1}, {"factor", 0.5}, {"threshold", 1e-5}, {"cooldown", 2}}, losses),
            (std::vector<double>{1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25}));
  EXPECT_EQ(after({{"patience", 0},
                   {"factor", 0.5},
                   {"threshold_mode", "abs"},
                   {"threshold", 1.5},
                   {"min_lr", 0.2}},
                  losses),
            (std::vector<double>{1, 0.5, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2}));
  const double nan = std::nan("");
  EXPECT_EQ(after({{"patience", 0}, {"factor", 0.5}}, {nan, 2, nan}),
            (std::vector<double>{0.5, 0.5, 0.25}));
  EXPECT_NE(faults(declared("plateau", {{"factor", 1.5}})), "");
}

TEST(Schedule, WarmUpRisesThenFallsOverTheRest) {
  expect_rates(declared("poly", {{"warmup_steps", 2}}), {.5, 1, 1, .75, .5, .25});
  expect_rates(declared("constant", {{"warmup_steps", 4}}), {.25, .5, .75, 1, 1});
  expect_rates(declared("cosine", {{"warmup_steps", 9}}), {1 / 9., 2 / 9., 3 / 9.});
}

TEST(Schedule, TheCosineFallsAtEveryStep) {
  std::vector<double> lr = rates(declared("cosine"), 705);
  for (size_t i = 1; i < lr.size(); ++i) EXPECT_LT(lr[i], lr[i - 1]);
}

TEST(Schedule, ReportsEveryFaultAtItsPlace) {
  EXPECT_EQ(faults(declared("cosin")),
            "net.yaml:8:5: E0330: unknown type of schedule 'cosin' (did you mean 'cosine'?)\n");
  EXPECT_EQ(faults(declared("cosine", {{"warmup_step", 5}, {"min_lr", -1}, {"x-note", "ok"}})),
            "net.yaml:9:2: E0333: schedule 'cosine': 'min_lr' must be a number of at least 0, "
            "not -1\n"
            "net.yaml:9:1: E0331: schedule 'cosine': unknown key 'warmup_step' (did you mean "
            "'warmup_steps'?)\n");
  EXPECT_EQ(faults(declared("step", {{"step_size", 0}})),
            "net.yaml:9:1: E0333: schedule 'step': 'step_size' must be an integer of at least 1, "
            "not 0\n");
  EXPECT_EQ(faults(declared("step")),
            "net.yaml:8:1: E0332: schedule 'step': 'step_size' is "
            "missing\n");
  EXPECT_EQ(faults(declared("multistep", {{"milestones", Attr::List{4, 4}}})),
            "net.yaml:9:1: E0333: schedule 'multistep': 'milestones' must be a list of rising "
            "steps, not [4, 4]\n");
  EXPECT_EQ(faults(declared("poly", {{"power", "two"}})),
            "net.yaml:9:1: E0333: schedule 'poly': 'power' must be a number above 0, not two\n");
  EXPECT_EQ(test::fault_of([] { Schedule::make(declared("step"), 5); }), Fault::model);
}

}  // namespace
}  // namespace braid
