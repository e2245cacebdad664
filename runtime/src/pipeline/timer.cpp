#include "pipeline/timer.h"

#include <algorithm>
#include <chrono>

namespace braid {

using Clock = std::chrono::steady_clock;

Timer::~Timer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Timer::set(void* whom, int64_t time) {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
  const bool sooner = times_.empty() || std::ranges::all_of(times_, [&](auto& t) {
                        return t.first == whom || time < t.second;
                      });
  times_[whom] = time;
  if (sooner) changed_.notify_all();
}

void Timer::serve() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (times_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto first =
        std::ranges::min_element(times_, {}, [](auto& entry) { return entry.second; });
    const Clock::time_point due{Clock::duration(first->second)};
    if (Clock::now() < due) {
      changed_.wait_until(lock, due);
      continue;
    }
    void* whom = first->first;
    times_.erase(first);
    lock.unlock();
    ring_(whom);
    lock.lock();
  }
}

}  // namespace braid
