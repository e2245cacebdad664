// run.json and plan.json of a run's folder: what log.jsonl leaves out, since equal runs write equal
// logs: the network, its plan, the machine, the time. Each process that works on the run adds a
// part.
#pragma once
#include <functional>
#include <string>

#include <braid/runtime/train.h>

#include "arguments.h"

namespace braid::cli {

class RunRecord {
 public:
  RunRecord(std::string folder, const Arguments& arguments, Session& session);
  /// At the first event, when the folder is there. What cannot be written costs a warning.
  void begin(const TrainEvent& event);
  /// `how`: "done", "stopped", or why it failed; `last` is the last event that there was.
  void end(const std::string& how, const TrainEvent& last);

 private:
  void keep(const std::function<void()>& write);
  std::string folder_;
  const Arguments& arguments_;
  Session& session_;
  std::string record_;  ///< JSON; "" = not begun, or ended
};

}  // namespace braid::cli
