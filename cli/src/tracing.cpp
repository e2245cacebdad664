#include "tracing.h"

#include "output.h"

namespace braid::cli {

std::shared_ptr<Trace> make_trace(const Arguments& a) {
  if (a.trace.empty()) return {};
  return std::make_shared<Trace>(TraceOptions{.first = a.trace_first, .last = a.trace_last});
}

TraceFile::TraceFile(const Arguments& a, const Session& session)
    : TraceFile(a, session.options().trace, session.model().name) {}

TraceFile::TraceFile(const Arguments& a, std::shared_ptr<Trace> trace, const std::string& name)
    : trace_(std::move(trace)), path_(a.trace), name_("braid " + a.command + " " + name) {
  if (trace_) trace_->write(path_, name_);
}

TraceFile::~TraceFile() {
  if (!trace_) return;
  try {
    trace_->write(path_, name_);
  } catch (const std::exception& error) {
    warn(std::string("warning: the trace is lost: ") + error.what() + "\n");
  }
}

void TraceFile::finish() {
  if (!trace_) return;
  const auto trace = std::exchange(trace_, {});
  trace->write(path_, name_);
  if (trace->full_after() >= 0)
    warn("note: the trace is full after step " + std::to_string(trace->full_after()) +
         "; --trace-steps A..B chooses others\n");
  if (trace->runs() == 0)
    warn("note: no step was traced; --trace-steps names steps that were not done\n");
}

}  // namespace braid::cli
