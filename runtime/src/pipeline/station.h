// Station: a node of the pipeline's flow graph. It is one stage, or several that an item goes
// through on one thread because they are equally parallel and keep the order, and the line in front
// of it. Who brings an item admits it if there is room and goes on with it, else leaves it in the
// line; who has finished with one takes the next from the line. No thread ever waits here.
//
// An edge has *room* for so many items. A station reserves room on all its edges before it begins
// with an item; where there is none, it is starved, and whoever makes room pokes it.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <vector>

#include "pipeline/next.h"
#include "pipeline/shell.h"
#include "pipeline/stage_run.h"

namespace braid {

struct Edge {
  Station* from = nullptr;
  Station* to = nullptr;
  int port = 0;            ///< which input of the station it is
  bool unlimited = false;  ///< it drops what is too much, or that much cannot be in flight
  int64_t most = 0;        ///< room when nothing waits
  mutable std::atomic<int64_t> room = 0;

  bool take() const;
  /// Whoever calls it pokes `from` where it is starved, see Station::made_room.
  void give(int64_t count = 1) const {
    if (!unlimited) room.fetch_add(count);
  }
};

class Station {
 public:
  Station(Stream& stream, std::vector<StageRun*> stages, int limit, bool ordered);
  virtual ~Station() = default;
  Station(const Station&) = delete;
  Station& operator=(const Station&) = delete;

  /// An item comes, along shell->edge.
  void arrive(Shell* shell, Next& next);
  /// Works on an item that was admitted, hands on what is made of it and admits the next ones.
  virtual void carry(Shell* shell, Next& next);
  /// Something has changed: admits what can be.
  virtual void poke(Next& next);
  /// Nothing moves any more: lets go on, or lets go, what it has kept. False if there is nothing.
  virtual bool settle(Next&) { return false; }

  StageRun& stage() const { return *stages_.front(); }
  /// Nothing is in it or in front of it; of a station behind a batch.
  bool idle() const { return load_ == 0; }

  std::deque<Edge> users;           ///< set up by Stream
  std::vector<const Edge*> inputs;  ///< by port
  bool behind_batch = false;
  size_t index = 0;

 protected:
  /// What is to be handed on: the same shell, another, or none. Null and the shell let go if it
  /// ends here.
  virtual Shell* work(Shell* shell, Next& next);
  virtual void deliver(Shell* shell, Next& next);
  /// Admits what can be admitted; called and left with the lock.
  virtual void admit(SpinLock& lock, Next& next);

  Shell* call(StageRun& stage, Shell* shell, Next& next);
  void begin(Shell* shell);
  void begun(Shell* shell, SpinLock& lock, Next& next);
  bool reserve();
  void give_back_room();
  void made_room(const Edge& edge, Next& next) const;
  void finish(Next& next);
  void count_load() {
    if (behind_batch) load_ = int64_t(line_.size()) + running_;
  }

  Stream& stream_;
  std::vector<StageRun*> stages_;
  SpinMutex mutex_;
  Line line_;
  int running_ = 0;
  int limit_;
  std::atomic<bool> starved_ = false;

 private:
  void ended(Next& next);
  void finish_in_order(uint64_t ticket, Shell* out, Next& next);
  Shell* overflow(Shell* shell);

  struct Place {
    Shell* shell = nullptr;
    bool done = false;
  };
  // Of an ordered station: what is in it, by ticket.
  std::vector<Place> places_ = {};
  uint64_t next_in_ = 0, next_out_ = 0;
  bool handing_on_ = false;
  std::atomic<int64_t> load_ = 0;
};

}  // namespace braid
