#include "pipeline/source_station.h"

#include <algorithm>

#include "execution.h"
#include "pipeline/stream.h"

namespace braid {

SourceStation::SourceStation(Stream& stream, StageRun& stage, int64_t in_flight, int slot)
    : Station(stream, {&stage}, 1, true),
      tokens_(new Token[size_t(in_flight)]),
      in_flight_(in_flight),
      free_count_(in_flight),
      least_free_(in_flight),
      blocks_(stage.def->blocks),
      slot_(slot) {
  for (int64_t i = 0; i < in_flight; ++i) {
    Token& token = tokens_[size_t(i)];
    token.source = this;
    token.first.token = &token;
    token.first.next_free = free_ ? &free_->first : nullptr;
    free_ = &token;
  }
}

SourceStation::~SourceStation() { join(); }

void SourceStation::start(Next& next) {
  if (!blocks_) return poke(next);
  stream_.awake(true);
  thread_ = std::thread([this] { serve(); });
}

void SourceStation::join() {
  if (thread_.joinable()) thread_.join();
}

// With the lock.
Token* SourceStation::take() {
  Token* token = free_;
  free_ = token->first.next_free ? token->first.next_free->token : nullptr;
  least_free_ = std::min(least_free_, --free_count_);
  return token;
}

void SourceStation::give_back(Token* token, Next& next) {
  SpinLock lock(mutex_);
  token->first.next_free = free_ ? &free_->first : nullptr;
  free_ = token;
  ++free_count_;
  admit(lock, next);
}

// A thread is woken for many items, not for each: that there is room for one wakes it only when
// nothing else happens (settle).
bool SourceStation::enough() const {
  return free_count_ * 2 > in_flight_ && std::ranges::all_of(users, [](const Edge& edge) {
           return edge.unlimited || edge.room * 2 > edge.most;
         });
}

void SourceStation::wake_up() {
  asleep_ = false;
  stream_.awake(true);
  ++woken_;
  woken_.notify_one();
}

void SourceStation::wake() {
  const SpinLock lock(mutex_);
  if (asleep_) wake_up();
}

void SourceStation::admit(SpinLock& lock, Next& next) {
  if (blocks_) {
    if (!asleep_) return;
    starved_ = true;  // before room is looked for: whoever makes some will come again
    if (enough()) wake_up();
    return;
  }
  if (running_ > 0 || ended_) return;
  if (stream_.stopping()) {
    ended_ = true;
    return;
  }
  if (!free_ || !reserve()) return;
  Token* token = take();
  ++running_;
  lock.unlock();
  next.offer(*this, &token->first);
  lock.lock();
}

bool SourceStation::settle(Next& next) {
  SpinLock lock(mutex_);
  if (ended_) return false;
  if (!blocks_) {
    admit(lock, next);
    return running_ > 0;
  }
  const bool some = free_ && std::ranges::all_of(users, [](const Edge& edge) {
                      return edge.unlimited || edge.room > 0;
                    });
  if (!asleep_ || (!some && !stream_.stopping())) return false;
  wake_up();
  return true;
}

// Clocks cost as much as short stages do: of a fast stream one item of eight is timed.
bool SourceStation::is_timed(int64_t number) {
  if (number % 8 != 0) return slow_;
  const int64_t time = now();
  slow_ = number == 0 || time - last_look_ > 8 * 10'000;
  last_look_ = time;
  return true;
}

Shell* SourceStation::work(Shell* shell, Next& next) {
  Token& token = *shell->token;
  token.number = made_;
  token.shells = 1;
  Tally& tally = stage().tally(next.slot());
  const bool timed = is_timed(token.number);
  const int64_t start = timed ? now() : 0;
  bool over = stream_.stopping();
  if (!over) {
    try {
      ++tally.calls;
      shell->item = stage().call({});
      over = !shell->item;
    } catch (...) {
      ++tally.failed;
      stream_.fail(stage(), token, std::current_exception());
      over = true;
    }
  }
  token.born = timed ? now() : 0;
  if (timed) ++tally.timed, tally.timed_ns += token.born - start;
  if (over) {
    ended_ = true;
    stream_.let_go(shell, next);
    return nullptr;
  }
  ++tally.in, ++tally.out;
  made_.store(token.number + 1, std::memory_order_relaxed);
  return shell;
}

Token* SourceStation::wait_for_token() {
  SpinLock lock(mutex_);
  for (;;) {
    if (ended_ || stream_.stopping()) return nullptr;
    if (free_ && reserve()) return take();
    asleep_ = true;
    const uint32_t seen = woken_;
    if (starved_ = true; enough()) {  // somebody made room before it slept
      asleep_ = false;
      continue;
    }
    lock.unlock();
    stream_.awake(false);
    woken_.wait(seen);
    lock.lock();
  }
}

void SourceStation::serve() {
  Next next(stream_, slot_, true);
  while (Token* token = wait_for_token()) {
    if (Shell* out = work(&token->first, next))
      deliver(out, next);
    else
      give_back_room();
  }
  ended_ = true;
  stream_.awake(false);
}

}  // namespace braid
