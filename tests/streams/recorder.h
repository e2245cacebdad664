// A backend without hardware: it writes down what is enqueued, with the memory that each command
// reads and writes, and judges the order afterwards. A command comes before another when the order
// of a queue, or an event that was recorded behind the one and waited for before the other, says
// so: whatever the hardware does, these two stand in that order. Two commands that touch the same
// memory, one of them writing, must be ordered; and so must be what the plan says is.
//
// Each wait can be left out, as if an edge had been forgotten: then the judge must find something.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <braid/core/plan.h>
#include <braid/runtime/backend.h>

namespace braid::test {

struct Range {
  const std::byte* begin;
  int64_t bytes;
  bool write;
};

struct Command {
  enum class Kind { work, record, wait, host } kind = Kind::work;
  int queue = 0;
  bool of_step = false;  ///< enqueued by a step of the plan that at_step() was told of
  int step = -1;         ///< which
  std::vector<Range> ranges = {};
  const void* event = nullptr;
};

/// All that was enqueued in a step, and the event that the host waited for.
class Recorder {
 public:
  void add(Command command);
  void restart();
  /// What this thread enqueues from here on belongs to this step of the plan.
  static void at_step(int step) { step_ = step; }

  const std::vector<Command>& commands() const { return commands_; }
  /// Of waits, in the order in which they were enqueued.
  std::vector<size_t> waits() const;
  /// Unordered pairs of commands that touch the same memory, and commands that the host did not
  /// wait for, as far as `most`; `without` is a wait that is left out.
  std::vector<std::string> judge(int without = -1, size_t most = 3) const;
  /// Steps that the plan orders and the commands do not.
  std::vector<std::string> judge_plan(const Plan& plan, int without = -1, size_t most = 3) const;

 private:
  using Clock = std::vector<int>;  // queue -> how many of its commands are done
  std::vector<Clock> clocks(int without) const;
  bool before(const std::vector<Clock>& clocks, size_t a, size_t b) const;
  const std::vector<std::pair<int, int>>& conflicts() const;

  std::mutex mutex_;
  std::vector<Command> commands_;
  std::vector<int> position_;  // within the queue
  int queues_ = 0;
  inline static thread_local int step_ = -1;
  mutable std::vector<std::pair<int, int>> conflicts_;
  mutable bool known_ = false;
};

/// Every operation that has a CPU kernel has one here, which computes nothing; `alone` names those
/// that serve one replica a launch.
std::shared_ptr<Backend> make_recording_backend(Recorder& recorder,
                                                std::set<std::string> alone = {
                                                    "conv2d", "conv2d_grad_input",
                                                    "conv2d_grad_weight", "matmul"});

}  // namespace braid::test
