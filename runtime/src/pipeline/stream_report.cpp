// What a run says in the end: what it did, or what went wrong.
#include <algorithm>
#include <new>
#include <tuple>

#include <fmt/format.h>

#include "pipeline/stream.h"

namespace braid {
namespace {

StageReport report_of(const StageRun& stage) {
  StageReport r{.name = stage.decl->name, .kind = stage.decl->kind};
  int64_t members = 0;
  for (const Tally& t : stage.tallies) {
    r.in += t.in, r.out += t.out, r.filtered += t.filtered, r.dropped += t.dropped;
    r.unmatched += t.unmatched, r.failed += t.failed, r.busy += t.busy_seconds();
    members += t.members;
  }
  r.most_waiting = stage.most_waiting;
  if (stage.decl->kind == StageKind::batch && r.out > 0)
    r.mean_batch = double(members) / double(r.out);
  return r;
}

}  // namespace

void rethrow_at(const StageDecl& decl, const std::string& where, const std::exception_ptr& what) {
  auto error = [&](const char* code, const std::string& why) {
    return Error(Fault::run, code, where + ": " + why, decl.mark);
  };
  try {
    std::rethrow_exception(what);
  } catch (const Error& e) {
    auto d = e.diagnostics().front();
    d.message = where + ": " + d.message;
    if (!d.mark) d.mark = decl.mark;
    throw Error(e.fault(), {std::move(d)});
  } catch (const std::bad_alloc&) {
    throw error("E0460", "out of memory");
  } catch (const std::exception& e) {
    throw error("E0460", e.what());
  } catch (...) {
    throw error("E0460", "an exception that is no std::exception");
  }
}

// The first by item, then by stage: the same faults mostly give the same message.
void Stream::raise() const {
  auto& first = *std::ranges::min_element(
      failures_, {}, [](const Failure& f) { return std::tuple(f.number, f.stage->index); });
  const StageDecl& decl = *first.stage->decl;
  std::string where = title(decl);
  if (first.number >= 0) where += ", item " + std::to_string(first.number + 1);
  rethrow_at(decl, where, first.what);
}

void Stream::write_trace() {
  StageTrace out;
  for (const StageRun& stage : stages_)
    out.stages.push_back(
        {stage.decl->name, std::string(to_string(stage.decl->kind)), to_string(stage.decl->mark)});
  out.tracks.resize(latencies_.size());
  for (int i = 0; i < slots_; ++i)
    out.tracks[size_t(i)].name = "pipeline, worker " + std::to_string(i);
  for (size_t i = 0; i < sources_.size(); ++i)
    out.tracks[size_t(slots_) + 2 + i].name = "source " + sources_[i]->stage().decl->name;
  recorder_->give(out);
  trace_->add(std::move(out));
}

PipelineReport Stream::report(double seconds) const {
  PipelineReport r{.seconds = seconds, .stopped = stopping_};
  for (const StageRun& stage : stages_) r.stages.push_back(report_of(stage));
  for (const SourceStation* source : sources_) {
    r.items += source->made();
    r.in_flight = std::max(r.in_flight, source->most_in_flight());
  }
  Histogram all;
  for (const Histogram& one : latencies_) all.add(one);
  if (all.count() > 0)
    r.latency = {all.count(), all.quantile(0.5) / 1e6, all.quantile(0.99) / 1e6,
                 double(all.max()) / 1e6};
  return r;
}

const StageReport& PipelineReport::stage(std::string_view name) const {
  std::vector<std::string> names;
  for (auto& stage : stages) {
    if (stage.name == name) return stage;
    names.push_back(stage.name);
  }
  throw Error(Fault::usage, "E0451",
              "the pipeline has no stage '" + std::string(name) + "'" + did_you_mean(name, names));
}

std::string to_string(const PipelineReport& report) {
  std::string out = fmt::format("{:<20} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8}\n", "stage", "in",
                                "out", "dropped", "waiting", "busy s", "batch");
  for (auto& s : report.stages)
    out += fmt::format("{:<20} {:>9} {:>9} {:>9} {:>9} {:>8.2f} {:>8}\n", s.name, s.in, s.out,
                       s.dropped + s.filtered + s.unmatched, s.most_waiting, s.busy,
                       s.mean_batch > 0 ? fmt::format("{:.1f}", s.mean_batch) : "");
  out += fmt::format(
      "{} items in {:.2f} s, {:.0f} a second; latency p50 {:.3f} ms, p99 {:.3f} ms, "
      "max {:.3f} ms\n",
      report.items, report.seconds, report.seconds > 0 ? double(report.items) / report.seconds : 0,
      report.latency.p50, report.latency.p99, report.latency.max);
  return out;
}

}  // namespace braid
