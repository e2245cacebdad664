#include "log.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "json.h"
#include "output.h"

namespace braid::cli {
namespace {

// Lines of steps up to `step`; the last line of a killed process may be cut off.
std::string kept(const std::string& path, int64_t step) {
  std::ifstream in(path);
  std::string out;
  for (std::string text; step > 0 && std::getline(in, text);) {
    auto event = Json::parse(text, nullptr, false);
    if (event.is_discarded() || !event.is_object()) continue;
    auto kind = event.value("event", "");
    if (kind == "done" || kind == "note" || event.value("step", int64_t{0}) > step) continue;
    out += text + "\n";
  }
  return out;
}

}  // namespace

void Log::begin(int64_t step) {
  auto before = kept(path_, step);
  file_.reset(std::fopen(path_.c_str(), "w"));
  if (!file_) return fail();
  write(before);
}

void Log::write(const std::string& line) {
  if (file_ && std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size()) fail();
}

void Log::flush() {
  if (file_ && std::fflush(file_.get()) != 0) fail();
}

void Log::fail() {
  warn("warning: " + path_ + " cannot be written: " + std::strerror(errno) +
       "; the run goes on without it\n");
  file_.reset();
}

}  // namespace braid::cli
