// Runs a step that calls hooks on a thread of its own, so that whoever waits for the step can leave
// when a hook hangs.
#pragma once
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace braid {

class HookWatch {
 public:
  HookWatch() = default;
  HookWatch(const HookWatch&) = delete;
  /// Not to be called after a hook was given up: it would wait for it.
  ~HookWatch();

  /// Runs `work`; or returns the step whose hook has not come back within `seconds`. No strand runs
  /// then but those that are inside of hooks, and they do nothing when their hooks return.
  std::optional<int> run(const std::function<void()>& work, double seconds);
  bool gave_up() const;

  // From the threads that work.
  bool begin_strand();  ///< false: given up, leave at once
  void end_strand();
  // False: given up; the strand has ended.
  bool begin_hook(int step);
  bool end_hook(int step);

 private:
  using Clock = std::chrono::steady_clock;
  struct Visit {
    int step;
    Clock::time_point since;
  };

  void serve();
  std::optional<int> overdue(Clock::time_point now, Clock::duration limit) const;
  Clock::time_point next_look(Clock::time_point now, Clock::duration limit) const;

  mutable std::mutex mutex_;
  std::condition_variable asked_, changed_;
  const std::function<void()>* work_ = nullptr;
  std::exception_ptr failed_;
  std::vector<Visit> visits_;
  int active_ = 0;  ///< strands that are not inside of a hook
  bool given_up_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace braid
