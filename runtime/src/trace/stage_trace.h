// What the stages of a pipeline did and when, as events of Chrome's format.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace braid {

struct StageTrace {
  struct Event {
    int stage = 0;
    int64_t begin = 0, end = 0;  ///< nanoseconds
    int64_t item = 0;            ///< of the source, counted from 1
    int64_t items = 1;           ///< of a batch
  };
  struct Drop {
    int stage = 0;
    int64_t time = 0, count = 0;  ///< dropped so far
  };
  struct Stage {
    std::string name, kind, place;  ///< place: `net.yaml:12`, or ""
  };
  struct Track {
    std::string name;
    std::vector<Event> events = {};  ///< in the order of their ends; they never overlap
  };
  std::vector<Stage> stages = {};
  std::vector<Track> tracks = {};
  std::vector<Drop> drops = {};

  int64_t first() const;
  int64_t events() const;
  /// Lines of traceEvents; tracks have the numbers behind `tid`.
  void write(std::string& out, int tid, int64_t origin) const;
};

}  // namespace braid
