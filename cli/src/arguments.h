// What was typed on the command line, as plain data. Only arguments.cpp and forms.cpp know the
// parser.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace braid::cli {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Arguments {
  std::string command;
  std::string
      target;  ///< the network; of `weights` a file, of `layers` a type, of `explain` a code
  bool json = false;
  bool markdown = false;  ///< layers

  // The network.
  Pairs set = {};
  std::optional<int64_t> replicas = {};
  std::optional<uint64_t> seed = {};
  std::string weights = {};
  bool fold_bn = false;  ///< check, eval, run, export

  bool no_plugins = false;
  std::vector<std::string> plugins = {};  ///< layers, schema: libraries and network files

  // Warnings, by their codes.
  std::vector<std::string> allow = {}, deny = {};

  // The deployment.
  std::vector<std::string> devices = {};
  int threads = 0;
  std::string engine = "tbb";
  std::string isa = {};
  std::set<std::string> disabled = {};
  bool check_finite = false;

  // train, eval, run; of draw the file to read
  std::string trace = {};
  int64_t trace_first = 0, trace_last = INT64_MAX;

  // train
  std::optional<int64_t> steps = {};
  std::string out = {};
  bool resume = false;
  std::string resume_from = {};
  bool exact = false;

  // fmt
  std::vector<std::string> files = {};
  bool in_place = false;
  bool only_check = false;

  // compare
  std::string other = {};
  double tolerance = 0;

  // export
  int opset = 17;

  // run
  Pairs inputs = {}, outputs = {};
  std::string data = {};
  std::string run_mode = "eval";

  // stream
  std::optional<int64_t> in_flight = {};

  // plan, draw
  std::string mode = "train";
  int64_t batch = 0;
  std::string view = {};
  std::string format = {};
  bool backward = false;
  bool verbose = false;

  bool graph = false;  ///< schema
};

/// Thrown when there is nothing more to do: the text is help, the version, or what was mistyped.
struct Leave {
  int code;
  std::string text;
};

Arguments parse(int argc, char** argv);

}  // namespace braid::cli
