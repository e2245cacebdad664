// log.jsonl of a run's folder: one event a line.
#pragma once
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

namespace braid::cli {

class Log {
 public:
  explicit Log(std::string path) : path_(std::move(path)) {}
  /// Keeps what was logged up to `step`, so that a resumed run's log reads like one run's.
  void begin(int64_t step);
  /// A log that cannot be written costs a warning, not the run.
  void write(const std::string& line);
  void flush();

 private:
  void fail();
  std::string path_;
  std::unique_ptr<FILE, int (*)(FILE*)> file_{nullptr, std::fclose};
};

}  // namespace braid::cli
