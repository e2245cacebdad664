// A thread that calls back when a time has come; started with the first that is asked for.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace braid {

class Timer {
 public:
  explicit Timer(std::function<void(void*)> ring) : ring_(std::move(ring)) {}
  ~Timer();
  /// `ring(whom)` at `time`, in place of an earlier time for the same one.
  void set(void* whom, int64_t time);

 private:
  void serve();

  std::function<void(void*)> ring_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<void*, int64_t> times_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace braid
