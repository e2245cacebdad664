#include "pipeline/stream.h"

#include <algorithm>
#include <utility>

#include "execution.h"
#include "pipeline/batch_station.h"
#include "pipeline/join_station.h"

namespace braid {

Stream::Stream(const Resolved& pipeline, FlowGraph& graph, Trace* trace)
    : pipeline_(pipeline),
      graph_(graph),
      isolated_(graph.isolated()),
      slots_(graph.slots() + 2),
      trace_(trace),
      timer_([this](void* batch) {
        Next next(*this, slots_ + 1, true);
        static_cast<BatchStation*>(batch)->due(next);
      }) {
  build();
  if (trace_) recorder_ = std::make_unique<Recorder>(latencies_.size(), trace_->room());
  graph_.prepare(stations_.size(), [this](Work work) { carry(work); });
}

Stream::~Stream() = default;

void Stream::fail(const StageRun& stage, const Token& token, std::exception_ptr what) {
  {
    const std::lock_guard lock(mutex_);
    failures_.push_back({&stage, token.number, std::move(what)});
  }
  failing_ = true;
  stop();
}

void Stream::stop() {
  stopping_ = true;
  stop_.request_stop();
  for (SourceStation* source : sources_) source->wake();
}

void Stream::cancel() {
  cut_short_ = failing_ = true;
  stop();
}

Shell* Stream::copy(const Shell& shell) {
  Shell* copy = pool_.take();
  copy->item = const_cast<Shell&>(shell).item.share();
  copy->token = shell.token;
  if (copy->token) ++copy->token->shells;
  for (const Shell* part : shell.parts) copy->parts.push_back(this->copy(*part));
  return copy;
}

void Stream::let_go(Shell* shell, Next& next) {
  shell->item.reset();
  for (Shell* part : shell->parts) let_go(part, next);
  shell->parts.clear();
  Token* token = shell->token;
  if (!token || shell != &token->first) pool_.give_back(shell);
  if (token && token->shells.fetch_sub(1) == 1) token->source->give_back(token, next);
}

void Stream::arrived(Shell* shell, Next& next) {
  note_arrival(*shell, latencies_[size_t(next.slot())]);
  let_go(shell, next);
}

void Stream::note_arrival(const Shell& shell, Histogram& into) const {
  if (!shell.token)
    for (const Shell* part : shell.parts) note_arrival(*part, into);
  else if (shell.token->born)
    into.add(now() - shell.token->born);
}

void Stream::spawn(Work work) {
  ++carrying_;
  graph_.put(size_t(work.station->index), work);
}

// To the pump, or to a thread of the arena if the pump is at work itself. In the arena of a host
// all threads may be pumps: there whoever carries something brings it in, or the pump is woken.
void Stream::post(Work work) {
  const std::lock_guard lock(mutex_);
  inbox_.push_back(work);
  if (!helping_) {
    changed_.notify_all();
  } else if (isolated_) {
    posted_ = true;
    graph_.done();
  } else {
    ++carrying_;
    graph_.enqueue([this] { bring_in(); });
  }
}

// By a thread of the arena, for which carrying_ counts one.
void Stream::bring_in() {
  std::deque<Work> works;
  {
    const std::lock_guard lock(mutex_);
    works.swap(inbox_);
    posted_ = false;
  }
  for (const Work& work : works) spawn(work);
  leave();
}

void Stream::carry(Work work) {
  Next next(*this, std::min(FlowGraph::slot(), slots_ - 1), false);
  for (; work.station; work = next.take()) {
    if (isolated_ && posted_.load(std::memory_order_relaxed)) ++carrying_, bring_in();
    work.station->carry(work.shell, next);
  }
  leave();
}

// The last one leaves under the lock: then the run may be over, and all this gone.
void Stream::leave() {
  int64_t others = carrying_;
  while (others > 1)
    if (carrying_.compare_exchange_weak(others, others - 1)) return;
  const std::lock_guard lock(mutex_);
  if (--carrying_ > 0) return;
  if (std::exchange(helping_, false)) graph_.done();
  changed_.notify_all();
}

void Stream::awake(bool is) {
  if (is) {
    ++awake_;
    return;
  }
  const std::lock_guard lock(mutex_);
  if (--awake_ == 0) changed_.notify_all();
}

// Works as long as something can be done, and sleeps outside the arena when only sources can bring
// more.
void Stream::pump() {
  {
    Next next(*this, slots_, true);
    for (SourceStation* source : sources_) source->start(next);
  }
  std::unique_lock lock(mutex_);
  for (;;) {
    while (inbox_.empty() && (awake_ > 0 || carrying_ > 0)) changed_.wait(lock);
    if (!inbox_.empty()) {
      helping_ = true;
      ++carrying_;
      graph_.expect();
      lock.unlock();
      graph_.help([this] { bring_in(); }, [this] { return more(); });
      lock.lock();
      continue;
    }
    lock.unlock();
    if (!settle()) break;
    lock.lock();
  }
}

// The pump was woken: all is done, or something was posted.
bool Stream::more() {
  {
    const std::lock_guard lock(mutex_);
    if (!helping_) return false;
    ++carrying_;
    graph_.expect();
  }
  bring_in();
  return true;
}

// Nothing moves. False when it is over.
bool Stream::settle() {
  Next next(*this, slots_, true);
  for (auto& station : stations_)
    if (!dynamic_cast<JoinStation*>(station.get()) && station->settle(next)) return true;
  for (auto& station : stations_)
    if (station->settle(next)) return true;
  if (std::ranges::all_of(sources_, [](auto* source) { return source->ended(); })) return false;
  stall();
  return true;
}

void Stream::stall() {
  const JoinStation* fullest = nullptr;
  for (auto& station : stations_)
    if (auto* join = dynamic_cast<JoinStation*>(station.get());
        join && (!fullest || join->waiting() > fullest->waiting()))
      fullest = join;
  ensure(fullest && fullest->waiting() > 0, "a pipeline stands still and no join waits");
  const std::string count = std::to_string(pipeline_.decl.in_flight);
  Token none;
  none.number = -1;
  fail(fullest->stage(), none,
       std::make_exception_ptr(
           Error(Fault::run, "E0462",
                 "all items that may be in flight wait for partners, " +
                     std::to_string(fullest->waiting()) + " of them here, one with the key '" +
                     fullest->some_key() + "'")
               .help("raise in_flight, which is " + count +
                     ", above the number of items between two of one key; or drop those without "
                     "a partner by a filter")));
}

PipelineReport Stream::run() {
  const int64_t start = now();
  pump();
  for (SourceStation* source : sources_) source->join();
  const int64_t end = now();
  if (trace_) write_trace();
  for (const SourceStation* source : sources_)
    ensure(source->all_back(), "a pipeline has lost an item");
  if (!failures_.empty()) raise();
  return report(double(end - start) / 1e9);
}

}  // namespace braid
