// The learning rate of every step: a pure function of the step, so that a resumed run needs no
// state for it.
//
//   Schedule schedule = Schedule::make(*model.schedule, total_steps);
//   double lr = schedule.lr(0.1, step);   // step 0 is the first; 0.1 is the optimizer's, or a
//   group's
//
// Types and their keys; all have `warmup_steps`, over which the rate rises linearly to its base:
//   constant
//   step       step_size, gamma (0.1)         times gamma after every step_size steps
//   multistep  milestones, gamma (0.1)        times gamma at each of these steps
//   cosine     min_lr (0)                     falls at every step, to min_lr at the end of the run
//   poly       power (1), min_lr (0)          likewise, as (1 - progress) ** power
// What falls to the end of the run begins to fall after the warm-up; milestones are steps of the
// run.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <braid/core/error.h>
#include <braid/core/model.h>

namespace braid {

class Schedule {
 public:
  /// A constant rate.
  Schedule() = default;

  /// Throws Error(Fault::model) with every fault of the declaration.
  /// Without `total_steps` nobody knows the last step before it is there.
  static Schedule make(const TypedDict& declared, std::optional<int64_t> total_steps);
  double lr(double base, int64_t step) const;

 private:
  using Curve = std::function<double(double base, int64_t step)>;
  Curve curve_;
  int64_t warmup_ = 0;
};

/// Reports unknown types and keys, missing keys and wrong values: E0330 to E0333; and E0084 for
/// what falls to the end of a run that is open-ended.
void check_schedule(const TypedDict& declared, Diagnostics& found, bool open_ended = false);

std::vector<std::string> schedule_types();

}  // namespace braid
