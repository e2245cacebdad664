// What carries items through a pipeline. A Token is a place among those in flight: a source has
// `in_flight` of them, and one is free again when all that was made of its item is done. A Shell
// holds an item on its way; the first of a token is part of it, others (copies for a second user,
// batches) come from a pool. So a run takes no memory for what it carries once it has begun.
#pragma once
#include <oneapi/tbb/spin_mutex.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include <braid/runtime/item.h>

namespace braid {

struct Edge;
struct Token;
class SourceStation;

using SpinMutex = oneapi::tbb::spin_mutex;
using SpinLock = std::unique_lock<SpinMutex>;

struct Shell {
  Item item = {};
  Token* token = nullptr;          ///< null for batches
  std::vector<Shell*> parts = {};  ///< of a batch, or joined to this one: they end with it
  const Edge* edge = nullptr;      ///< on which it came to the station that it is in
  uint64_t ticket = 0;             ///< its turn in an ordered station
  Shell* next_free = nullptr;
};

struct Token {
  Shell first = {};
  SourceStation* source = nullptr;
  int64_t number = 0;  ///< of the item, counted from 0
  int64_t born = 0;    ///< nanoseconds; 0 = it is not timed
  std::atomic<int> shells = 0;
};

/// The token of an item, or of a batch's first one.
inline const Token& token_of(const Shell& shell) {
  const Shell* s = &shell;
  while (!s->token) s = s->parts.front();
  return *s->token;
}

class ShellPool {
 public:
  Shell* take() {
    const SpinLock lock(mutex_);
    if (!free_) return &all_.emplace_back();
    Shell* shell = free_;
    free_ = shell->next_free;
    return shell;
  }
  void give_back(Shell* shell) {
    shell->token = nullptr;
    const SpinLock lock(mutex_);
    shell->next_free = free_;
    free_ = shell;
  }

 private:
  SpinMutex mutex_;
  std::deque<Shell> all_;
  Shell* free_ = nullptr;
};

/// First in, first out, in memory that only grows.
class Line {
 public:
  bool empty() const { return first_ == last_; }
  size_t size() const { return last_ - first_; }
  void push(Shell* shell) {
    if (size() == slots_.size()) grow();
    slots_[last_++ & (slots_.size() - 1)] = shell;
  }
  Shell* pop() { return slots_[first_++ & (slots_.size() - 1)]; }

 private:
  void grow() {
    std::vector<Shell*> more(slots_.size() * 2);
    const size_t count = size();
    for (size_t i = 0; i < count; ++i) more[i] = pop();
    slots_ = std::move(more);
    first_ = 0, last_ = count;
  }
  std::vector<Shell*> slots_ = std::vector<Shell*>(16);  // a power of two
  size_t first_ = 0, last_ = 0;
};

}  // namespace braid
