// The learning rate of every step: a pure function of the step, so that a resumed run needs no
// state for it. With `plateau` it is one of the step and of how often the rate has fallen, which
// training counts (a Plateau) and keeps in checkpoints.
//
//   Schedule schedule = Schedule::make(*model.schedule, total_steps);
//   double lr = schedule.lr(0.1, step);   // step 0 is the first; 0.1 is the optimizer's, or a
//   group's
//
// Types and their keys; all but one_cycle have `warmup_steps`, over which the rate rises linearly
// to its base:
//   constant
//   step       step_size, gamma (0.1)         times gamma after every step_size steps
//   multistep  milestones, gamma (0.1)        times gamma at each of these steps
//   cosine     min_lr (0)                     falls at every step, to min_lr at the end of the run
//   poly       power (1), min_lr (0)          likewise, as (1 - progress) ** power
//   one_cycle  pct_start (0.3), anneal_strategy (cos), div_factor (25), final_div_factor (1e4),
//              three_phase (false)            rises from base / div_factor, then falls, over the
//              run;
//                                             torch.optim.lr_scheduler.OneCycleLR
//   plateau    factor (0.1), patience (10), threshold (1e-4), threshold_mode (rel), cooldown (0),
//              min_lr (0), eps (1e-8)         times factor where the test loss stands still;
//                                             torch.optim.lr_scheduler.ReduceLROnPlateau
// What falls to the end of the run begins to fall after the warm-up; milestones are steps of the
// run.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <braid/core/error.h>
#include <braid/core/model.h>

namespace braid {

/// When a rate falls by what evaluations say, and by how much.
struct PlateauRule {
  double factor = 0.1;
  int64_t patience = 10;    ///< evaluations without a gain that are borne
  double threshold = 1e-4;  ///< what counts as a gain: a share of the best, or a difference to it
  bool relative = true;
  int64_t cooldown = 0;           ///< evaluations after a fall that are not counted
  double min_lr = 0, eps = 1e-8;  ///< falls of no more than eps are none
};

/// What evaluations have said so far. Travels in the metadata of checkpoints.
class Plateau {
 public:
  explicit Plateau(PlateauRule rule) : rule_(rule) {}

  /// The loss of the evaluation after `step`; true when the rate falls.
  bool see(int64_t step, double loss);
  int64_t falls() const { return falls_; }
  int64_t seen_at() const { return seen_at_; }  ///< 0 = there was no evaluation

  /// Under names that begin with `name`.
  void store(const std::string& name, std::map<std::string, std::string>& metadata) const;
  void restore(const std::string& name, const std::map<std::string, std::string>& metadata);

 private:
  PlateauRule rule_;
  double best_ = std::numeric_limits<double>::infinity();
  int64_t bad_ = 0, cooling_ = 0, falls_ = 0, seen_at_ = 0;
};

class Schedule {
 public:
  /// A constant rate.
  Schedule() = default;

  /// Throws Error(Fault::model) with every fault of the declaration.
  /// Without `total_steps` nobody knows the last step before it is there.
  static Schedule make(const TypedDict& declared, std::optional<int64_t> total_steps);
  double lr(double base, int64_t step, int64_t falls = 0) const;
  /// Of type `plateau` only.
  const std::optional<PlateauRule>& plateau() const { return plateau_; }

 private:
  using Curve = std::function<double(double base, int64_t step)>;
  Curve curve_;
  int64_t warmup_ = 0;
  std::optional<PlateauRule> plateau_;
};

/// Reports unknown types and keys, missing keys and wrong values: E0330 to E0333; and E0084 for
/// what falls to the end of a run that is open-ended.
void check_schedule(const TypedDict& declared, Diagnostics& found, bool open_ended = false);

std::vector<std::string> schedule_types();

}  // namespace braid
