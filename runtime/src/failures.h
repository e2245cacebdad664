// What has failed in a step, from all threads; the first by node order is thrown, so that the same
// fault gives the same message every time.
#pragma once
#include <exception>
#include <mutex>
#include <span>
#include <vector>

#include <braid/core/plan.h>

namespace braid {

class Failures {
 public:
  Failures() { list_.reserve(16); }
  void clear() { list_.clear(); }
  /// `part` of a ganged step.
  void record(int step, std::exception_ptr what, int part = 0);
  bool empty() const;
  /// Throws the first as an Error that names step, replica, device and the number of the step.
  [[noreturn]] void raise(const Plan& plan, int64_t step_number) const;

 private:
  struct Failure {
    int step, part;
    std::exception_ptr what;
  };
  mutable std::mutex mutex_;
  std::vector<Failure> list_;
};

/// A part of a ganged step, as the step that it would be alone; any other step is its only part.
struct PartView {
  Step step;  ///< for its name: kernel, replica, lo, hi
  std::span<const int> in, out;
};
PartView part_of(const Plan& plan, const Step& step, int part);
inline int parts_of(const Step& step) { return step.parts ? step.parts : 1; }

}  // namespace braid
