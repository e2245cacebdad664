// What a person sees while training: a bar on a terminal, plain lines elsewhere.
#pragma once
#include <chrono>
#include <string>

#include <braid/runtime/train.h>

namespace braid::cli {

class Progress {
 public:
  Progress();
  void show(const TrainEvent& event);
  /// Ends a bar's line.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void step(const TrainEvent& event);
  void draw_bar(const TrainEvent& event, const std::string& pace);
  void line(const std::string& text);
  bool due(const TrainEvent& event);

  bool terminal_, color_;
  bool drawn_ = false;
  int64_t seen_ = 0;  ///< steps of this process
  Clock::time_point last_ = {};
};

/// "0.4171": few digits, but never 0 for what is not.
std::string short_number(double value);

}  // namespace braid::cli
