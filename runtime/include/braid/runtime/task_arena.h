// TaskArena: the threads that sessions compute on, as a value that several of them may share.
//
//   auto threads = std::make_shared<TaskArena>(4);                 // Braid's own
//   Session a = Session::open("a.yaml", {.arena = threads});
//   Session b = Session::open("b.yaml", {.arena = threads});       // the same four
//
//   auto mine = TaskArena::of_caller();                            // the host application's own
//
// However it came about: a thread that waits for Braid in it never picks up a task of the host's,
// and a host that cancels its own tasks does not cancel Braid's.
#pragma once
#include <memory>

namespace braid {

class TaskArena {
 public:
  /// Of its own, with so many threads at a time, the callers among them; 0 = all cores.
  explicit TaskArena(int threads = 0);
  /// The oneTBB arena that the calling thread is in, kept for as long as somebody has the result.
  /// When it is full, threads that come from outside wait for a place in it.
  static std::shared_ptr<TaskArena> of_caller();
  ~TaskArena();
  TaskArena(const TaskArena&) = delete;
  TaskArena& operator=(const TaskArena&) = delete;

  int threads() const;

  struct Impl;
  Impl& impl() const { return *impl_; }

 private:
  explicit TaskArena(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace braid
