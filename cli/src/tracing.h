// `--trace FILE`: written however the command ends, Ctrl-C pressed twice left out.
#pragma once
#include <string>

#include <braid/runtime/session.h>

#include "arguments.h"

namespace braid::cli {

/// What the arguments ask for, or none.
std::shared_ptr<Trace> make_trace(const Arguments& arguments);

class TraceFile {
 public:
  /// Proves that the file can be written to, by an empty trace. Throws Error(output, "E0601").
  TraceFile(const Arguments& arguments, const Session& session);
  TraceFile(const Arguments& arguments, std::shared_ptr<Trace> trace, const std::string& name);
  /// After a fault: what there is is written, and a fault of writing is a warning.
  ~TraceFile();
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;
  void finish();

 private:
  std::shared_ptr<Trace> trace_;
  std::string path_, name_;
};

}  // namespace braid::cli
