// Many readers or one writer, by name of the standard's shared mutex; a writer that waits holds
// back new readers, so that training gets its turn however much is asked of the network meanwhile.
#pragma once
#include <condition_variable>
#include <mutex>

namespace braid {

class Gate {
 public:
  void lock_shared() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !writing_ && writers_ == 0; });
    ++readers_;
  }
  void unlock_shared() {
    std::lock_guard lock(mutex_);
    if (--readers_ == 0 && writers_ > 0) changed_.notify_all();
  }
  void lock() {
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
  std::mutex mutex_;
  std::condition_variable changed_;
  int readers_ = 0, writers_ = 0;  // that read; that wait to write
  bool writing_ = false;
};

}  // namespace braid
