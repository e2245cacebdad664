// Runs the `braid` command as a user would and keeps what it said.
#pragma once
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include <nlohmann/json.hpp>

namespace braid::test {

using Json = nlohmann::json;
using Environment = std::map<std::string, std::string>;

struct Outcome {
  int code = -1;  ///< exit code; 128 + n after signal n
  std::string out, err;

  Json json() const { return Json::parse(out); }
  std::vector<Json> lines() const;
};

/// A process that runs on: for signals. Its stdout is a pipe, its stderr a file.
class Running {
 public:
  explicit Running(const std::vector<std::string>& arguments, const Environment& environment = {});
  ~Running();
  /// Reads stdout until `text` has come, or its end. False at the end.
  bool wait_for(const std::string& text);
  void send(int signal);
  /// Closes our end of stdout, as `head` does.
  void close_out();
  Outcome finish();

 private:
  pid_t child_ = -1;
  int out_ = -1;
  std::string seen_, err_path_;
};

Outcome braid_command(const std::vector<std::string>& arguments,
                      const Environment& environment = {});

/// A folder that is removed again.
class Folder {
 public:
  Folder();
  ~Folder();
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);
bool exists(const std::string& path);
/// A file of the tree.
std::string source(const std::string& path);
inline std::string digits() { return source("examples/digits/digits.yaml"); }

}  // namespace braid::test
