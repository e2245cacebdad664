// What a run left behind: log.jsonl, and run.json where there is one.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace braid::cli {

struct RunLog {
  struct Point {
    int64_t step;
    double value;
  };
  using Curve = std::vector<Point>;  ///< by step; what is not finite is left out
  struct Part {
    std::vector<std::pair<std::string, std::string>> facts;
  };

  int64_t steps = 0, planned = 0;            ///< done; in all, 0 = not known
  std::map<std::string, Curve> train, test;  ///< "loss" and metrics, by name
  Curve rate;
  std::vector<int64_t> best;  ///< steps of evaluations that were the best so far
  std::vector<std::pair<int64_t, std::string>> notes;
  std::vector<std::string> checkpoints;
  std::string ended;  ///< "done", "stopped", or "" = it was cut off
  std::string weights, sha256;
  int64_t best_step = 0;  ///< of `done`, 0 = none was kept
  double best_value = 0;
  int64_t unread = 0;  ///< lines that are no events

  bool recorded = false;  ///< there is a run.json
  std::string name, file, yaml;
  std::vector<std::pair<std::string, std::string>> facts;  ///< of the whole run
  std::vector<Part> parts;
  double seconds = 0, images_per_second = 0;  ///< of all parts; of the last one
};

/// Throws Error(data, "E0710") where `folder` has no log. Lines that are damaged are counted.
RunLog read_run(const std::string& folder);

}  // namespace braid::cli
