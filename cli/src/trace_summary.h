// Where the time of traced steps went: layers, sync points, the critical path, the workers.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "trace_data.h"

namespace braid::cli {

/// Seconds are means over the passes that are counted: those of one kind, the first of train, run,
/// eval, backward that there is.
struct TraceSummary {
  static constexpr std::array phases = {"forward", "backward", "update", "sync", "callback"};

  struct Layer {
    std::string name;
    std::array<double, phases.size()> seconds = {};
    double path = 0;  ///< on the critical path
    double total() const;
  };
  /// A replica waits at a sync point from the end of its part until the last part has come.
  struct Sync {
    std::string name;
    double calls = 0;           ///< in a pass
    std::vector<double> waits;  ///< seconds of each, by replica
    std::vector<int64_t> last;  ///< how often it came last, by replica
    int straggler() const;      ///< the replica that came last most often
  };
  struct Track {
    std::string name;
    double busy = 0;  ///< share of the passes' time
    int64_t events = 0;
  };

  std::string what;
  int64_t passes = 0, others = 0, failed = 0;
  int64_t first = 0, last = 0;             ///< steps
  double median = 0, least = 0, most = 0;  ///< seconds of a pass
  double work = 0;                         ///< of all tracks together
  double path = 0, path_work = 0;          ///< the critical path, and what of it is work
  std::vector<Layer> layers = {};          ///< the longest first
  std::vector<Sync> syncs = {};            ///< that with the longest waits first
  std::vector<Track> tracks = {};
};

TraceSummary summarize(const TraceData& trace);

}  // namespace braid::cli
