// Threads that do what must not block whoever asks for it. They are no threads of TBB, and are
// started when there is work for one more of them.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace braid {

class Dispatcher {
 public:
  explicit Dispatcher(int most) : most_(size_t(most)) {}
  /// Does all that was given to it first.
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  /// `work` does not throw.
  void add(std::function<void()> work);

 private:
  void serve();

  size_t most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  size_t idle_ = 0;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace braid
