// From a pipeline's stages to stations and edges.
#include <algorithm>

#include "pipeline/batch_station.h"
#include "pipeline/join_station.h"
#include "pipeline/network_station.h"
#include "pipeline/stream.h"

namespace braid {

int Stream::limit_of(const StageDecl& decl) const {
  const auto threads = int64_t(graph_.slots());
  return int(decl.parallel == 0 ? threads : std::min(decl.parallel, threads));
}

// Whether an item may go from one to the other on the same thread, past no line and in no order:
// there are never more of them in one than in the other. One thread has nothing to overlap.
bool Stream::fuses(const StageDecl& before, const StageDecl& after) const {
  auto simple = [](StageKind kind) { return kind == StageKind::map || kind == StageKind::filter; };
  return simple(before.kind) && (simple(after.kind) || after.kind == StageKind::sink) &&
         (limit_of(before) > 1 || graph_.slots() == 1) && limit_of(before) == limit_of(after) &&
         before.ordered == after.ordered && after.overflow == Overflow::block;
}

void Stream::make_calls() {
  const auto& stages = pipeline_.decl.stages;
  const size_t counters = size_t(slots_) + 2 + stages.size();
  latencies_.resize(counters);
  for (size_t i = 0; i < stages.size(); ++i) {
    StageRun& run = stages_.emplace_back();
    run.decl = &stages[i], run.index = int(i), run.def = pipeline_.resolved[i].def;
    run.tallies.resize(counters);
    if (!run.def) continue;
    try {
      run.call = run.def->make(stages[i].params, stop_.get_token());
    } catch (...) {
      rethrow_at(stages[i], title(stages[i]), std::current_exception());
    }
  }
}

std::unique_ptr<Station> Stream::make_station(const std::vector<StageRun*>& stages) {
  StageRun& stage = *stages.front();
  const StageDecl& decl = *stage.decl;
  const ResolvedStage& resolved = pipeline_.resolved[size_t(stage.index)];
  switch (decl.kind) {
    case StageKind::source: {
      const int slot = slots_ + 2 + int(sources_.size());
      auto source = std::make_unique<SourceStation>(*this, stage, pipeline_.decl.in_flight, slot);
      sources_.push_back(source.get());
      return source;
    }
    case StageKind::batch:
      return std::make_unique<BatchStation>(*this, stage);
    case StageKind::unbatch:
      return std::make_unique<UnbatchStation>(*this, stage);
    case StageKind::join:
      return std::make_unique<JoinStation>(*this, stage, resolved);
    case StageKind::network:
      return std::make_unique<NetworkStation>(*this, stage, resolved, limit_of(decl));
    default: {
      const bool ordered = decl.ordered && stages.back()->decl->kind != StageKind::sink;
      return std::make_unique<Station>(*this, stages, limit_of(decl), ordered);
    }
  }
}

void Stream::build() {
  make_calls();
  station_of_.resize(stages_.size());
  for (StageRun& stage : stages_) {
    if (station_of_[size_t(stage.index)]) continue;  // it is part of an earlier one
    std::vector<StageRun*> run = {&stage};
    for (;;) {
      const auto& users = pipeline_.resolved[size_t(run.back()->index)].users;
      if (users.size() != 1) break;
      StageRun& after = stages_[size_t(users[0])];
      if (!fuses(*run.back()->decl, *after.decl)) break;
      run.push_back(&after);
    }
    stations_.push_back(make_station(run));
    stations_.back()->index = stations_.size() - 1;
    for (const StageRun* part : run) station_of_[size_t(part->index)] = stations_.back().get();
  }
  connect();
  trace_origins();
}

void Stream::connect() {
  int64_t all = 0;
  for (size_t i = 0; i < sources_.size(); ++i) all += pipeline_.decl.in_flight;
  for (StageRun& stage : stages_) {
    Station& to = *station_of_[size_t(stage.index)];
    if (&to.stage() != &stage) continue;
    for (auto& from : stage.decl->from) {
      Station& station = *station_of_[size_t(from.stage)];
      Edge& edge = station.users.emplace_back();
      edge.from = &station, edge.to = &to, edge.port = int(to.inputs.size());
      edge.most = stage.decl->queue + limit_of(*stages_[size_t(from.stage)].decl);
      edge.room = edge.most;
      edge.unlimited = stage.decl->overflow != Overflow::block || edge.most >= all;
      to.inputs.push_back(&edge);
      to.behind_batch = stages_[size_t(from.stage)].decl->kind == StageKind::batch;
    }
  }
}

void Stream::trace_origins() {
  std::vector<std::vector<SourceStation*>> origins(stages_.size());
  for (StageRun& stage : stages_) {
    auto& own = origins[size_t(stage.index)];
    Station* station = station_of_[size_t(stage.index)];
    if (auto* source = dynamic_cast<SourceStation*>(station)) own.push_back(source);
    for (auto& from : stage.decl->from)
      for (SourceStation* source : origins[size_t(from.stage)])
        if (std::ranges::find(own, source) == own.end()) own.push_back(source);
    if (auto* join = dynamic_cast<JoinStation*>(station))
      for (auto& from : stage.decl->from) join->origins.push_back(origins[size_t(from.stage)]);
  }
}

int64_t Stream::full_batch(const StageRun& stage) const {
  const StageDecl* decl = stage.decl;
  while (decl->kind != StageKind::batch && !decl->from.empty())
    decl = &pipeline_.decl.stages[size_t(decl->from.front().stage)];
  return decl->kind == StageKind::batch ? decl->max : 1;
}

}  // namespace braid
