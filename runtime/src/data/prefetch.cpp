#include <condition_variable>
#include <exception>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include <braid/runtime/data.h>

namespace braid {

namespace {

/// A ring of buffers: the thread fills `filled_` ahead, the user holds the one before `taken_`.
/// Every buffer exists from the start, so that later no batch costs memory or page faults.
class Ring {
 public:
  Ring(const DataSource& source, int64_t batch, size_t buffers) : buffers_(buffers) {
    for (Batch& buffer : buffers_) {
      buffer.samples.reserve(size_t(batch));
      buffer.inputs.resize(source.inputs());
      for (size_t i = 0; i < source.inputs(); ++i) {
        if (source.fills(i)) buffer.inputs[i].resize(size_t(batch * source.bytes_per_sample(i)));
      }
    }
  }

  /// A buffer that nobody reads; null when the user is gone.
  Batch* to_fill(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return filled_ - released_ < buffers_.size(); });
    return stop.stop_requested() ? nullptr : &buffers_[filled_ % buffers_.size()];
  }

  void filled() {
    std::lock_guard lock(mutex_);
    ++filled_;
    changed_.notify_all();
  }

  void finished(std::exception_ptr error) {
    std::lock_guard lock(mutex_);
    finished_ = true;
    error_ = std::move(error);
    changed_.notify_all();
  }

  const Batch* peek() {
    std::lock_guard lock(mutex_);
    return filled_ > taken_ ? &buffers_[taken_ % buffers_.size()] : nullptr;
  }

  const Batch* take() {
    std::unique_lock lock(mutex_);
    released_ = taken_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return filled_ > taken_ || finished_; });
    if (filled_ > taken_) return &buffers_[taken_++ % buffers_.size()];
    if (error_) std::rethrow_exception(error_);
    return nullptr;
  }

 private:
  std::vector<Batch> buffers_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  size_t filled_ = 0, taken_ = 0, released_ = 0;  ///< batches since the start
  bool finished_ = false;
  std::exception_ptr error_;
};

}  // namespace

struct Prefetcher::Impl {
  DataSource source;
  BatchPlan plan;
  int64_t first, end;
  Ring ring;
  std::jthread thread;  // the last member: it stops before anything that it uses goes

  Impl(DataSource from, BatchPlan by, int64_t begin, int64_t stop, size_t depth)
      : source(std::move(from)),
        plan(std::move(by)),
        first(begin),
        end(stop),
        ring(source, plan.largest_batch(), depth + 1),
        thread([this](const std::stop_token& token) { run(token); }) {}

  void run(const std::stop_token& stop) try {
    for (int64_t step = first; step < end; ++step) {
      Batch* batch = ring.to_fill(stop);
      if (!batch) return;
      fill(step, *batch);
      ring.filled();
    }
    ring.finished(nullptr);
  } catch (...) {
    ring.finished(std::current_exception());
  }

  void fill(int64_t step, Batch& batch) {
    batch.step = step;
    plan.batch(step, batch.samples);
    for (size_t i = 0; i < source.inputs(); ++i) {
      if (source.fills(i)) {
        source.fill(batch.samples, i, batch.inputs[i].data(), plan.drawn_epoch(step));
      }
    }
  }
};

Prefetcher::Prefetcher(DataSource source, BatchPlan plan, int64_t first, int64_t end, size_t depth)
    : impl_(std::make_unique<Impl>(std::move(source), std::move(plan), first, end, depth)) {}
Prefetcher::~Prefetcher() = default;
Prefetcher::Prefetcher(Prefetcher&&) noexcept = default;
Prefetcher& Prefetcher::operator=(Prefetcher&&) noexcept = default;

const Batch* Prefetcher::next() { return impl_->ring.take(); }
const Batch* Prefetcher::peek() { return impl_->ring.peek(); }

}  // namespace braid
