// Many readers or one writer, by name of the standard's shared mutex; a writer that waits holds
// back new readers, so that training gets its turn however much is asked of the network meanwhile.
// A hook that is called while its session runs would wait for itself: it is told so (E0429).
#pragma once
#include <condition_variable>
#include <mutex>

#include "hook_runner.h"

namespace braid {

class Gate {
 public:
  void belongs_to(const HookTable* hooks) { hooks_ = hooks; }
  void lock_shared() {
    require_outside(hooks_);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !writing_ && writers_ == 0; });
    ++readers_;
  }
  void unlock_shared() {
    std::lock_guard lock(mutex_);
    if (--readers_ == 0 && writers_ > 0) changed_.notify_all();
  }
  void lock() {
    require_outside(hooks_);
    std::unique_lock lock(mutex_);
    ++writers_;
    changed_.wait(lock, [&] { return !writing_ && readers_ == 0; });
    --writers_;
    writing_ = true;
  }
  void unlock() {
    std::lock_guard lock(mutex_);
    writing_ = false;
    changed_.notify_all();
  }

 private:
  const HookTable* hooks_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  int readers_ = 0, writers_ = 0;  // that read; that wait to write
  bool writing_ = false;
};

}  // namespace braid
