// What a trace says of a plan's steps, whenever they run.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <braid/core/plan.h>

namespace braid {

/// A plan outlives no session's cache, so that everything is copied.
struct TracedProgram {
  struct Task {
    std::string head;        ///< JSON of an event: its name, category and the fixed arguments
    std::vector<int> after;  ///< tasks that must have ended
    bool between = false;    ///< moves values between devices
  };
  struct Sync {
    std::string name;
    std::vector<int> tasks;              ///< merges and what moves their values
    std::vector<std::vector<int>> from;  ///< by replica: the tasks that make its part
  };
  explicit TracedProgram(const Plan& plan);

  uint64_t plan_hash = 0;
  int64_t batch = 0;
  int replicas = 1;
  std::vector<std::string> devices;
  std::vector<Task> tasks;                  ///< by step of the plan
  std::vector<Sync> syncs;                  ///< in the order in which they run
  std::vector<std::pair<int, int>> arrows;  ///< values that go into a sync point, or come from one
};

}  // namespace braid
