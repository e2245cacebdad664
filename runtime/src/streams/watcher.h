// Every completion outside has an owner with a deadline: a thread that looks at the events of the
// devices and calls back when one is done, has failed, or has not come in time.
#pragma once
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <braid/runtime/backend.h>

namespace braid {

class Watcher {
 public:
  using Clock = std::chrono::steady_clock;
  /// Null: all before the event is done.
  using Callback = std::function<void(std::exception_ptr)>;

  Watcher();
  /// Calls back from the watcher's thread, once. The callback does not throw.
  void watch(Device& device, Event* event, double seconds, Callback callback);

 private:
  struct Watch {
    Device* device;
    Event* event;
    Clock::time_point deadline;
    double seconds;
    Callback callback;
  };
  void run(const std::stop_token& stop);
  static bool look(Watch& watch, std::exception_ptr& failed);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Watch> watches_;
  std::jthread thread_;  // the last: it stops before what it uses goes
};

/// "0.2 s"
std::string in_seconds(double seconds);

/// Waits on this thread. Returns false when the deadline has passed; throws what the device throws.
bool wait_for(Device& device, Event* event, double seconds);

}  // namespace braid
