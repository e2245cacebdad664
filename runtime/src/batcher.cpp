#include <braid/runtime/batcher.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include <braid/runtime/session.h>

#include "session_impl.h"

namespace braid {
namespace {

using Clock = std::chrono::steady_clock;
using Arrays = std::map<std::string, Array>;

struct Request {
  Arrays inputs;
  std::function<void(Batcher::Answer)> done;
  int64_t samples = 1;
  Clock::time_point since = Clock::now();
};

// Of the first input: a network whose inputs differ in that cannot be batched anyway.
int64_t samples_of(const Arrays& inputs) {
  if (inputs.empty() || inputs.begin()->second.dims.empty()) return 1;
  return std::max<int64_t>(1, inputs.begin()->second.dims[0]);
}

// Whether two requests can share a pass.
bool alike(const Arrays& a, const Arrays& b) {
  return std::ranges::equal(a, b, [](auto& x, auto& y) {
    return x.first == y.first && x.second.dtype == y.second.dtype && !x.second.dims.empty() &&
           !y.second.dims.empty() &&
           std::ranges::equal(x.second.dims.begin() + 1, x.second.dims.end(),
                              y.second.dims.begin() + 1, y.second.dims.end());
  });
}

Arrays joined(const std::vector<Request>& requests) {
  Arrays all = requests.front().inputs;
  for (auto& [name, array] : all)
    for (size_t i = 1; i < requests.size(); ++i) {
      auto& more = requests[i].inputs.at(name);
      array.dims[0] += more.dims[0];
      array.bytes.insert(array.bytes.end(), more.bytes.begin(), more.bytes.end());
    }
  return all;
}

// The rows of `count` samples behind `first` of `all`.
Array rows(const Array& whole, int64_t all, int64_t first, int64_t count) {
  Array part{whole.dtype, whole.dims, {}};
  part.dims[0] = whole.dims[0] / all * count;
  const auto each = std::ptrdiff_t(whole.bytes.size()) / all;
  part.bytes.assign(whole.bytes.begin() + each * first,
                    whole.bytes.begin() + each * (first + count));
  return part;
}

}  // namespace

struct Batcher::Impl {
  Session::Impl& session;
  BatcherOptions options;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Request> waiting;
  bool ending = false;
  std::atomic<int64_t> passes = 0;
  std::thread thread;

  Impl(Session::Impl& s, BatcherOptions o)
      : session(s), options(std::move(o)), thread([this] { serve(); }) {}

  size_t ready() const;
  void serve();
  void answer(std::vector<Request> requests);
  Answer alone(const Request& request);
  bool answer_together(std::vector<Request>& requests);
};

// How many of those that wait go into the next pass.
size_t Batcher::Impl::ready() const {
  int64_t samples = 0;
  for (size_t i = 0; i < waiting.size(); ++i) {
    samples += waiting[i].samples;
    if (i > 0 && (samples > options.most || !alike(waiting[0].inputs, waiting[i].inputs))) return i;
  }
  return waiting.size();
}

void Batcher::Impl::serve() {
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [&] { return ending || !waiting.empty(); });
    if (waiting.empty()) return;
    // Whoever is next in line and does not fit ends the waiting, too.
    changed.wait_until(lock, waiting.front().since + options.wait, [&] {
      int64_t samples = 0;
      for (auto& request : waiting) samples += request.samples;
      return ending || samples >= options.most || ready() < waiting.size();
    });
    std::vector<Request> requests;
    for (size_t count = ready(); count > 0; --count) {
      requests.push_back(std::move(waiting.front()));
      waiting.pop_front();
    }
    lock.unlock();
    answer(std::move(requests));
    lock.lock();
  }
}

void Batcher::Impl::answer(std::vector<Request> requests) {
  if (requests.size() > 1 && answer_together(requests)) return;
  for (auto& request : requests) request.done(alone(request));
}

Batcher::Answer Batcher::Impl::alone(const Request& request) {
  try {
    ++passes;
    return {.outputs = session.run(request.inputs, options.outputs, {})};
  } catch (...) {
    return {.error = std::current_exception()};
  }
}

// One request that cannot be run must not spoil the others: then each is run for itself, and so is
// it where an output has no rows.
bool Batcher::Impl::answer_together(std::vector<Request>& requests) {
  int64_t all = 0, first = 0;
  for (auto& request : requests) all += request.samples;
  Arrays outputs;
  bool split = false;
  try {
    ++passes;
    outputs = session.run(joined(requests), options.outputs, {}, &split);
  } catch (...) {
    return false;
  }
  for (auto& [name, whole] : outputs) split = split && whole.dims[0] % all == 0;
  if (!split) return false;
  for (auto& request : requests) {
    Answer answer;
    for (auto& [name, whole] : outputs)
      answer.outputs.emplace(name, rows(whole, all, first, request.samples));
    first += request.samples;
    request.done(std::move(answer));
  }
  return true;
}

Batcher::Batcher(Session& session, BatcherOptions options)
    : impl_(std::make_unique<Impl>(*session.impl_, std::move(options))) {}

Batcher::~Batcher() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->ending = true;
  }
  impl_->changed.notify_all();
  impl_->thread.join();
}

void Batcher::add(std::map<std::string, Array> inputs, std::function<void(Answer)> done) {
  Request request{.inputs = std::move(inputs), .done = std::move(done)};
  request.samples = samples_of(request.inputs);
  {
    std::lock_guard lock(impl_->mutex);
    impl_->waiting.push_back(std::move(request));
  }
  impl_->changed.notify_all();
}

int64_t Batcher::passes() const { return impl_->passes; }

}  // namespace braid
