#include "pipeline/station.h"

#include <algorithm>
#include <bit>

#include "execution.h"
#include "pipeline/stream.h"

namespace braid {

bool Edge::take() const {
  if (unlimited) return true;
  if (room.fetch_sub(1) > 0) return true;
  room.fetch_add(1);
  return false;
}

Station::Station(Stream& stream, std::vector<StageRun*> stages, int limit, bool ordered)
    : stream_(stream), stages_(std::move(stages)), limit_(limit) {
  if (ordered && limit > 1) places_.resize(std::bit_ceil(size_t(limit) * 4 + 64));
}

// With the lock. Of two that fail at the same time as somebody makes room one sees it: the flag is
// set before room is looked for once more.
bool Station::reserve() {
  for (;;) {
    size_t taken = 0;
    while (taken < users.size() && users[taken].take()) ++taken;
    if (taken == users.size()) return true;
    for (size_t i = 0; i < taken; ++i) users[i].give();
    if (starved_.exchange(true)) return false;
  }
}

void Station::give_back_room() {
  for (auto& edge : users) edge.give();
}

void Station::made_room(const Edge& edge, Next& next) const {
  edge.give();
  if (edge.from->starved_.load() && edge.from->starved_.exchange(false)) edge.from->poke(next);
}

void Station::poke(Next& next) {
  SpinLock lock(mutex_);
  admit(lock, next);
}

// With the lock: the item's place, or the shell that overflows the line.
Shell* Station::overflow(Shell* shell) {
  auto& decl = *stage().decl;
  if (decl.overflow == Overflow::block || int64_t(line_.size()) < decl.queue) {
    line_.push(shell);
    return nullptr;
  }
  if (decl.overflow == Overflow::drop_newest) return shell;
  Shell* oldest = line_.pop();
  line_.push(shell);
  return oldest;
}

void Station::arrive(Shell* shell, Next& next) {
  SpinLock lock(mutex_);
  Shell* dropped = overflow(shell);
  admit(lock, next);
  stage().most_waiting = std::max(stage().most_waiting, int64_t(line_.size()));
  count_load();
  lock.unlock();
  if (!dropped) return;
  ++stage().tally(next.slot()).dropped;
  stream_.let_go(dropped, next);
}

// With the lock: an item from the line is in the station from here on.
void Station::begin(Shell* shell) {
  ++running_;
  shell->ticket = next_in_++;
}

void Station::begun(Shell* shell, SpinLock& lock, Next& next) {
  count_load();
  const Edge& edge = *shell->edge;
  lock.unlock();
  next.offer(*this, shell);
  made_room(edge, next);
  lock.lock();
}

void Station::admit(SpinLock& lock, Next& next) {
  while (running_ < limit_ && !line_.empty() &&
         (places_.empty() || next_in_ - next_out_ < places_.size()) && reserve()) {
    Shell* shell = line_.pop();
    begin(shell);
    begun(shell, lock, next);
  }
}

Shell* Station::call(StageRun& stage, Shell* shell, Next& next) {
  Tally& tally = stage.tally(next.slot());
  const bool timed = tally.is_timed();
  const int64_t start = timed ? now() : 0;
  ++tally.calls, ++tally.in;
  bool goes_on = true;
  try {
    if (stage.decl->kind == StageKind::filter) {
      goes_on = stage.call({&shell->item, 1}).read<bool>();
      if (!goes_on) ++tally.filtered;
    } else {
      shell->item = stage.call({&shell->item, 1});
    }
  } catch (...) {
    ++tally.failed;
    stream_.fail(stage, token_of(*shell), std::current_exception());
    goes_on = false;
  }
  if (timed) ++tally.timed, tally.timed_ns += now() - start;
  if (goes_on) ++tally.out;
  return goes_on ? shell : nullptr;
}

Shell* Station::work(Shell* shell, Next& next) {
  for (StageRun* stage : stages_)
    if (stream_.failing() || !call(*stage, shell, next)) {
      stream_.let_go(shell, next);
      return nullptr;
    }
  return shell;
}

void Station::deliver(Shell* shell, Next& next) {
  if (users.empty()) return stream_.arrived(shell, next);
  if (users.size() > 1) {
    Shell* copy = nullptr;
    for (size_t i = 1; i < users.size(); ++i) {  // before the first: it may have ended meanwhile
      Shell* another = stream_.copy(*shell);
      another->next_free = copy;
      another->edge = &users[i];
      copy = another;
    }
    while (copy) {
      Shell* one = std::exchange(copy, copy->next_free);
      one->edge->to->arrive(one, next);
    }
  }
  shell->edge = &users.front();
  shell->edge->to->arrive(shell, next);
}

void Station::carry(Shell* shell, Next& next) {
  const uint64_t ticket = shell->ticket;
  Shell* out = work(shell, next);
  if (!places_.empty()) return finish_in_order(ticket, out, next);
  // While this item is still counted as running: in a serial station nothing overtakes it.
  if (out)
    deliver(out, next);
  else
    give_back_room();
  finish(next);
}

void Station::finish(Next& next) {
  SpinLock lock(mutex_);
  --running_;
  admit(lock, next);
  count_load();
  lock.unlock();
  ended(next);
}

// A batch that is due waits until the stage behind it has nothing else to do.
void Station::ended(Next& next) {
  if (!behind_batch || !idle()) return;
  Station* batch = inputs.front()->from;
  if (batch->starved_.exchange(false)) batch->poke(next);
}

// Whoever has the one that is next hands it on, and those behind it that are done; others leave
// theirs to him.
void Station::finish_in_order(uint64_t ticket, Shell* out, Next& next) {
  SpinLock lock(mutex_);
  const size_t mask = places_.size() - 1;
  places_[ticket & mask] = {out, true};
  --running_;
  if (!handing_on_) {
    handing_on_ = true;
    while (places_[next_out_ & mask].done) {
      Shell* head = std::exchange(places_[next_out_ & mask], {}).shell;
      ++next_out_;
      lock.unlock();
      if (head)
        deliver(head, next);
      else
        give_back_room();
      lock.lock();
    }
    handing_on_ = false;
  }
  admit(lock, next);
  count_load();
  lock.unlock();
  ended(next);
}

}  // namespace braid
