// The programs of a session, made on demand and kept in a bounded cache; and its *lanes*: as many
// forward passes run at a time as there are lanes, each of which has a memory that all programs in
// it share. What trains uses lane 0 while nothing else runs.
#pragma once
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <braid/runtime/session.h>

namespace braid {

struct Program {
  std::string key;
  Plan plan;
  std::vector<std::unique_ptr<Executor>> executors;  ///< by lane, made on demand
};

class Programs {
 public:
  using Compile = std::function<Plan(const ProgramKey&)>;
  using Bind = std::function<std::unique_ptr<Executor>(const Plan&, Mode, Memory&)>;
  Programs(const Placements& placements, int lanes, Compile compile, Bind bind);

  /// From the cache, else compiled. By any thread.
  std::shared_ptr<Program> find(ProgramKey wish);
  /// For whoever has the lane.
  Executor& executor(Program& program, int lane);

  /// Waits for a lane that is free: one that has run the program, where there is one.
  int take_lane(const Program& program);
  void give_back(int lane);
  /// A hook of one of them hangs: they stay as they are.
  bool gave_up();

 private:
  std::shared_ptr<Program> cached(const std::string& key);

  Compile compile_;
  Bind bind_;
  std::vector<std::unique_ptr<Memory>> memories_;
  std::mutex making_, mutex_;
  std::list<std::shared_ptr<Program>> programs_;  // the most recently used first
  std::condition_variable freed_;
  std::vector<bool> taken_;
};

}  // namespace braid
