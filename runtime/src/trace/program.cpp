#include "trace/program.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

namespace braid {
namespace {

using Json = nlohmann::ordered_json;

class Reader {
 public:
  Reader(const Plan& plan, TracedProgram& to)
      : plan_(plan), to_(to), writer_(plan.slots.size(), -1) {}

  void read() {
    to_.tasks.resize(plan_.steps.size());
    for (auto& point : plan_.syncs) exchanges_.insert(point.node);
    for (auto& strand : plan_.strands) {
      auto before = ends_before(strand);
      for (int id : strand.steps) {
        auto& task = to_.tasks[size_t(id)];
        task.after = std::exchange(before, {id});
        task.head = head(id);
        task.between = between_devices(step(id));
        values(id);
      }
      if (plan_.streams) queues_[{strand.device, strand.stream}] = strand.steps.back();
    }
    to_.arrows.assign(arrows_.begin(), arrows_.end());
  }

 private:
  const Step& step(int id) const { return plan_.steps[size_t(id)]; }

  // Strands of one queue follow each other; of others it waits for events.
  std::vector<int> ends_before(const Strand& strand) const {
    std::vector<int> ends;
    for (int p : plan_.streams ? strand.waits : strand.preds)
      ends.push_back(plan_.strands[size_t(p)].steps.back());
    if (auto at = queues_.find({strand.device, strand.stream}); at != queues_.end())
      ends.push_back(at->second);
    return ends;
  }

  bool is_merge(const Step& s) const {
    if (s.kind == StepKind::sum || (s.kind == StepKind::kernel && s.hi > s.lo)) return true;
    for (int p = 0; p < s.parts; ++p) {
      auto& part = plan_.parts[size_t(s.first_part + p)];
      if (part.hi > part.lo) return true;
    }
    return false;
  }

  bool joins(const Step& s) const { return is_merge(s) || s.kind == StepKind::transfer; }

  const char* phase(const Step& s) const {
    if (s.kind == StepKind::hook) return "callback";
    if (joins(s)) return "sync";
    if (s.gated || s.kind == StepKind::gate) return "update";
    return plan_.nodes[size_t(s.node)].backward ? "backward" : "forward";
  }

  std::string layer(const Step& s) const {
    if (s.kind == StepKind::hook) return plan_.hook_points[size_t(s.hook)].layer;
    return s.node < 0 ? "" : plan_.nodes[size_t(s.node)].label;
  }

  std::string operation(const Step& s) const {
    switch (s.kind) {
      case StepKind::transfer:
        return "transfer";
      case StepKind::gate:
        return "commit gate";
      case StepKind::hook: {
        auto& point = plan_.hook_points[size_t(s.hook)];
        return std::string(to_string(point.kind));
      }
      case StepKind::sum:
      case StepKind::kernel:
        break;
    }
    return plan_.nodes[size_t(s.node)].op;
  }

  const Mark* mark(const Step& s) const {
    if (s.kind == StepKind::hook) return &plan_.hook_points[size_t(s.hook)].mark;
    return s.node < 0 ? nullptr : &plan_.nodes[size_t(s.node)].mark;
  }

  std::string head(int id) const {
    auto& s = step(id);
    auto layer = this->layer(s), op = operation(s);
    Json args;
    if (!layer.empty()) args["layer"] = layer;
    args["op"] = op;
    args["phase"] = phase(s);
    if (s.replica >= 0) args["replica"] = s.replica;
    if (s.hi > s.lo) args["replicas"] = Json::array({s.lo, s.hi});
    args["device"] = plan_.devices.at(size_t(s.device));
    int64_t bytes = 0;
    for (int slot : plan_.out(s)) bytes += plan_.slots[size_t(slot)].bytes;
    args["bytes"] = bytes;
    if (s.kind == StepKind::kernel && s.kernel >= 0)
      args["kernel"] = plan_.kernels[size_t(s.kernel)].impl;
    if (auto* m = mark(s); m && *m && m->line > 0)
      args["yaml"] = m->source->name + ":" + std::to_string(m->line);
    args["task"] = id;
    auto text = [](const Json& json) {
      return json.dump(-1, ' ', false, Json::error_handler_t::replace);
    };
    auto name = layer.empty() ? op : layer + "  " + op;
    auto open = text(args);
    open.pop_back();  // what differs from run to run comes behind
    return "\"name\":" + text(Json(name)) + ",\"cat\":\"" + phase(s) + "\",\"args\":" + open;
  }

  // Who wrote what is read here, and whether a sync point is in between.
  void values(int id) {
    auto& s = step(id);
    const bool merges = is_merge(s);
    for (int slot : plan_.in(s)) {
      const int from = writer_[size_t(slot)];
      if (from < 0) continue;
      if (joins(s) || joins(step(from))) arrows_.insert({from, id});
      if (merges) part_of_sync(id, slot);
    }
    if (merges) sync_of(s.node).tasks.push_back(id);
    // A transfer belongs to the sync point whose value it brings back.
    if (s.kind == StepKind::transfer && exchanges_.contains(s.node) && known_.contains(s.node))
      sync_of(s.node).tasks.push_back(id);
    for (int slot : plan_.out(s)) writer_[size_t(slot)] = id;
    if (s.kind == StepKind::transfer)
      for (int k = 0; k < std::min(s.inputs, s.outputs); ++k)
        moved_[plan_.out(s)[size_t(k)]] = plan_.in(s)[size_t(k)];
  }

  TracedProgram::Sync& sync_of(int node) {
    auto [entry, fresh] = known_.try_emplace(node, to_.syncs.size());
    if (fresh) {
      auto& info = plan_.nodes[size_t(node)];
      to_.syncs.push_back({.name = info.label + (info.backward ? ", backward" : ""),
                           .tasks = {},
                           .from = std::vector<std::vector<int>>(size_t(plan_.replicas))});
    }
    return to_.syncs[entry->second];
  }

  void part_of_sync(int id, int slot) {
    for (auto at = moved_.find(slot); at != moved_.end(); at = moved_.find(slot)) slot = at->second;
    const int from = writer_[size_t(slot)];
    if (from < 0 || (is_merge(step(from)) && step(from).node == step(id).node)) return;
    auto& sync = sync_of(step(id).node);
    for (int replica : replicas_of(step(from))) {
      auto& tasks = sync.from[size_t(replica)];
      if (std::ranges::find(tasks, from) == tasks.end()) tasks.push_back(from);
    }
  }

  std::vector<int> replicas_of(const Step& s) const {
    std::vector<int> all;
    for (int p = 0; p < s.parts; ++p)
      if (int r = plan_.parts[size_t(s.first_part + p)].replica; r >= 0) all.push_back(r);
    if (s.parts == 0 && s.replica >= 0) all.push_back(s.replica);
    return all;
  }

  const Plan& plan_;
  TracedProgram& to_;
  std::vector<int> writer_;      // by slot
  std::map<int, int> moved_;     // a slot that was copied to -> the one that was copied
  std::map<int, size_t> known_;  // by node
  std::set<int> exchanges_;      // nodes
  std::map<std::pair<int, int>, int> queues_;  // device and stream -> the last task so far
  std::set<std::pair<int, int>> arrows_;
};

}  // namespace

TracedProgram::TracedProgram(const Plan& plan)
    : plan_hash(plan.plan_hash), batch(plan.batch), replicas(plan.replicas), devices(plan.devices) {
  Reader(plan, *this).read();
}

}  // namespace braid
