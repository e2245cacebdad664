// What a thread does next: it goes on with one item itself, the one that is furthest down the
// pipeline, and everything else becomes a task of its own.
#pragma once
#include <utility>

namespace braid {

struct Shell;
class Station;
class Stream;

struct Work {
  Station* station = nullptr;
  Shell* shell = nullptr;
};

class Next {
 public:
  /// `slot` is the thread's, for what it counts. `outside`: a thread that is none of the arena's.
  Next(Stream& stream, int slot, bool outside) : stream_(stream), slot_(slot), outside_(outside) {}
  void offer(Station& station, Shell* shell);
  /// What was offered first since the last call; `station` is null when there is nothing.
  Work take() { return std::exchange(mine_, {}); }
  int slot() const { return slot_; }
  Stream& stream() const { return stream_; }

 private:
  Stream& stream_;
  int slot_;
  bool outside_;
  Work mine_ = {};
};

}  // namespace braid
