#include "hook_watch.h"

#include <algorithm>
#include <utility>

namespace braid {

HookWatch::~HookWatch() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  asked_.notify_all();
  thread_.join();
}

bool HookWatch::gave_up() const {
  std::lock_guard lock(mutex_);
  return given_up_;
}

void HookWatch::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    asked_.wait(lock, [&] { return stop_ || work_; });
    if (stop_) return;
    const auto work = *work_;  // the caller may leave before it has ended
    lock.unlock();
    std::exception_ptr failed;
    try {
      work();
    } catch (...) {
      failed = std::current_exception();
    }
    lock.lock();
    failed_ = failed;
    work_ = nullptr;
    changed_.notify_all();
    if (given_up_) return;
  }
}

// The first in the order of the plan, so that the same fault gives the same message.
std::optional<int> HookWatch::overdue(Clock::time_point now, Clock::duration limit) const {
  std::optional<int> first;
  for (auto& visit : visits_)
    if (now - visit.since >= limit && (!first || visit.step < *first)) first = visit.step;
  return first;
}

// A hook that begins after this look is not overdue before a limit has passed.
HookWatch::Clock::time_point HookWatch::next_look(Clock::time_point now,
                                                  Clock::duration limit) const {
  Clock::time_point since = now;
  for (auto& visit : visits_) since = std::min(since, visit.since);
  return since + limit;
}

std::optional<int> HookWatch::run(const std::function<void()>& work, double seconds) {
  const auto limit = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(std::clamp(seconds, 0.0, 1e9)));
  std::unique_lock lock(mutex_);
  if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
  work_ = &work;
  asked_.notify_one();
  while (work_) {
    const auto now = Clock::now();
    if (const auto step = overdue(now, limit)) {
      given_up_ = true;
      changed_.wait(lock, [&] { return active_ == 0; });
      thread_.detach();
      return step;
    }
    changed_.wait_until(lock, next_look(now, limit), [&] { return !work_; });
  }
  if (failed_) std::rethrow_exception(std::exchange(failed_, nullptr));
  return {};
}

bool HookWatch::begin_strand() {
  std::lock_guard lock(mutex_);
  if (given_up_) return false;
  ++active_;
  return true;
}

void HookWatch::end_strand() {
  std::lock_guard lock(mutex_);
  --active_;
  if (given_up_) changed_.notify_all();
}

bool HookWatch::begin_hook(int step) {
  std::lock_guard lock(mutex_);
  --active_;
  if (given_up_) {
    changed_.notify_all();
    return false;
  }
  visits_.push_back({step, Clock::now()});
  return true;
}

bool HookWatch::end_hook(int step) {
  std::lock_guard lock(mutex_);
  std::erase_if(visits_, [&](auto& visit) { return visit.step == step; });
  if (given_up_) return false;
  ++active_;
  return true;
}

}  // namespace braid
