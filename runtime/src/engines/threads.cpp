// A mutex, a condition variable and random delays: what races and orders hide from a clever
// scheduler, this one provokes. For tests and sanitizers.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "engines/engine.h"

namespace braid {
namespace {

class ThreadsEngine : public Engine {
 public:
  ThreadsEngine(const Plan& plan, RunStrand run, int threads, unsigned seed, External external)
      : plan_(plan),
        run_(std::move(run)),
        external_(std::move(external)),
        threads_(threads > 0 ? threads : 2),
        random_(seed) {
    successors_.resize(plan.strands.size());
    for (size_t s = 0; s < plan.strands.size(); ++s)
      for (int q : predecessors(plan.strands[s])) successors_[size_t(q)].push_back(int(s));
  }

  int workers() const override { return threads_; }

  void run() override {
    waiting_.clear();
    ready_.clear();
    left_ = plan_.strands.size();
    for (size_t s = 0; s < plan_.strands.size(); ++s) {
      waiting_.push_back(int(predecessors(plan_.strands[s]).size()));
      if (!waiting_.back()) ready_.push_back(int(s));
    }
    std::vector<std::jthread> pool;
    for (int w = 0; w < threads_; ++w) pool.emplace_back([this, w] { work(w); });
  }

 private:
  void work(int worker) {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return !ready_.empty() || !left_; });
      if (!left_) return;
      size_t pick = random_() % ready_.size();
      int strand = ready_[pick];
      ready_.erase(ready_.begin() + long(pick));
      auto pause = std::chrono::microseconds(random_() % 8 ? 0 : random_() % 50);
      lock.unlock();
      if (pause.count()) std::this_thread::sleep_for(pause);
      run_or_wait(run_, external_, strand, worker);
      lock.lock();
      for (int s : successors_[size_t(strand)])
        if (!--waiting_[size_t(s)]) ready_.push_back(s);
      --left_;
      changed_.notify_all();
    }
  }

  const Plan& plan_;
  RunStrand run_;
  External external_;
  int threads_;
  std::mt19937 random_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<int>> successors_;
  std::vector<int> waiting_, ready_;
  size_t left_ = 0;
};

}  // namespace

std::unique_ptr<Engine> make_threads_engine(const Plan& plan, RunStrand run, int threads,
                                            unsigned seed, External external) {
  return std::make_unique<ThreadsEngine>(plan, std::move(run), threads, seed, std::move(external));
}

}  // namespace braid
