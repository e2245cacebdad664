// Which evaluation was the best, and how many have brought nothing since. What it knows travels in
// the metadata of checkpoints, so that a resumed run judges as an uninterrupted one.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include <braid/core/model.h>

namespace braid {

class Gains {
 public:
  explicit Gains(const TrainDecl& train)
      : by_(train.keep_best.value_or(Goodness{})), counted_(train.keep_best || train.stop_after) {}

  bool counted() const { return counted_; }
  /// True when the evaluation after `step` is better than all before. Throws Error(model, "E0083")
  /// when the number it goes by is not among `measured`.
  bool see(int64_t step, const std::map<std::string, double>& measured);

  int64_t evaluated_at() const { return evaluated_at_; }
  int64_t best_step() const { return best_step_; }  ///< 0 = there was none
  double best() const { return best_; }
  int64_t without() const { return without_; }  ///< evaluations since the best

  void store(std::map<std::string, std::string>& metadata) const;
  void restore(const std::map<std::string, std::string>& metadata);

 private:
  Goodness by_;
  bool counted_;
  double best_ = 0;
  int64_t best_step_ = 0, evaluated_at_ = 0, without_ = 0;
};

}  // namespace braid
