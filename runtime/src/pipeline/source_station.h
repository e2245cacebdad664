// Where items come from. One that may block has a thread of its own; the others are called by the
// threads of the arena, as any station.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "pipeline/station.h"

namespace braid {

class SourceStation : public Station {
 public:
  SourceStation(Stream& stream, StageRun& stage, int64_t in_flight, int slot);
  ~SourceStation() override;

  void start(Next& next);
  /// Waits for its thread.
  void join();
  /// A token that is free again.
  void give_back(Token* token, Next& next);
  /// Wakes the thread whatever there is for it: more, or the end.
  void wake();
  bool settle(Next& next) override;

  bool ended() const { return ended_; }
  int64_t made() const { return made_; }
  int64_t most_in_flight() const { return in_flight_ - least_free_; }
  bool all_back() const { return free_count_ == in_flight_; }

 protected:
  Shell* work(Shell* shell, Next& next) override;
  void admit(SpinLock& lock, Next& next) override;

 private:
  bool is_timed(int64_t number);
  void serve();
  Token* wait_for_token();
  Token* take();
  bool enough() const;
  void wake_up();

  std::unique_ptr<Token[]> tokens_;
  Token* free_ = nullptr;  // by Shell::next_free of their first shells
  int64_t in_flight_, free_count_, least_free_;
  std::atomic<int64_t> made_ = 0;
  std::atomic<bool> ended_ = false;
  int64_t last_look_ = 0;  // at the clock
  bool slow_ = true;
  bool blocks_;
  int slot_;
  std::thread thread_;
  bool asleep_ = false;
  std::atomic<uint32_t> woken_ = 0;
};

}  // namespace braid
