// What `--trace` wrote, read back: nothing in it is believed before it was looked at.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace braid::cli {

struct TraceData {
  struct Program {
    int64_t batch = 0;
    int replicas = 1;
    std::vector<std::string> devices = {};
    std::vector<std::vector<int>> after = {};  ///< by task: those that must have ended
    struct Sync {
      std::string name;
      std::vector<int> tasks;
      std::vector<std::vector<int>> from;  ///< by replica
    };
    std::vector<Sync> syncs = {};
  };
  /// One pass of a program: nanoseconds since the trace began.
  struct Run {
    int program = 0;
    int64_t step = 0, begin = 0, end = 0;
    std::string what;
    bool failed = false;
  };
  struct Event {
    int run = 0, task = 0, track = 0;
    int layer = 0, phase = 0;  ///< into names
    int64_t begin = 0, end = 0;
  };

  std::string name;
  std::vector<std::string> names, tracks;
  std::vector<Program> programs;
  std::vector<Run> runs;
  std::vector<Event> events;
};

/// Throws Error(data, "E0708"), which says why this is no trace of Braid's; `path` names it.
TraceData read_trace(const std::string& text, const std::string& path);

}  // namespace braid::cli
