// `braid plan NET`: the expanded program and where it runs.
#include <braid/compiler/inspect.h>

#include <fmt/format.h>

#include "commands.h"
#include "json.h"
#include "network.h"
#include "output.h"

namespace braid::cli {
namespace {

std::string group_text(int group) { return group ? "groups of " + std::to_string(group) : "all"; }

std::string replicas_text(const std::vector<int>& replicas) {
  if (replicas.empty()) return "none";
  if (replicas.size() == 1) return std::to_string(replicas[0]);
  return fmt::format("{}..{}", replicas.front(), replicas.back());
}

Json devices_json(const PlanSummary& s) {
  Json out = Json::array();
  for (auto& d : s.devices)
    out.push_back({{"name", d.name},
                   {"replicas", d.replicas},
                   {"steps", d.steps},
                   {"arena_bytes", d.arena},
                   {"state_bytes", d.state},
                   {"peak_bytes", d.arena + d.state},
                   {"transfers", d.transfers},
                   {"transfer_bytes", d.transfer_bytes}});
  return out;
}

Json syncs_json(const Plan& plan) {
  Json out = Json::array();
  for (auto& sync : plan.syncs)
    out.push_back({{"layer", plan.nodes[size_t(sync.node)].label},
                   {"merge", sync.merge},
                   {"group", sync.group},
                   {"bytes", sync.bytes},
                   {"participants", sync.participants},
                   {"pass", sync.backward ? "backward" : "forward"}});
  return out;
}

Json callbacks_json(const Plan& plan) {
  Json out = Json::array();
  for (auto& point : plan.hook_points) {
    auto& spec = plan.hooks[size_t(point.spec)];
    out.push_back({{"hook", to_string(spec.kind)},
                   {"name", spec.name},
                   {"layer", point.layer},
                   {"type", point.type},
                   {"position", point.position},
                   {"line", point.mark.line}});
  }
  return out;
}

Json as_json(const Model& model, const Plan& plan, const PlanSummary& s) {
  Json kernels = Json::array();
  for (auto& k : s.kernels)
    kernels.push_back({{"op", k.op}, {"implementation", k.impl}, {"steps", k.steps}});
  return {{"name", model.name},
          {"replicas", plan.replicas},
          {"batch", plan.batch},
          {"slices", plan.slices},
          {"isa", plan.traits.isa},
          {"program_hash", hex(plan.program_hash)},
          {"plan_hash", hex(plan.plan_hash)},
          {"steps", plan.steps.size()},
          {"strands", s.strands},
          {"lanes", plan.lanes},
          {"nodes_per_replica", s.nodes},
          {"common_nodes", s.common},
          {"merges", s.merges},
          {"transfers", s.transfers},
          {"transfer_bytes", s.transfer_bytes},
          {"exchanges", s.exchanges},
          {"devices", devices_json(s)},
          {"kernels", kernels},
          {"gemm", s.gemm},
          {"syncs", syncs_json(plan)},
          {"callbacks", callbacks_json(plan)}};
}

std::string slices_text(const Plan& plan) {
  std::string out;
  for (auto& micro : plan.slices) {
    out += out.empty() ? "" : " | ";
    size_t shown = std::min<size_t>(micro.size(), 16);
    for (size_t r = 0; r < shown; ++r) out += (r ? " " : "") + std::to_string(micro[r]);
    if (shown < micro.size()) out += " ...";
  }
  return out;
}

std::string head(const Model& model, const Plan& plan, const PlanSummary& s) {
  auto most = std::ranges::max_element(s.nodes);
  std::string out = fmt::format(
      "{}: {} replicas, batch {}, slices {}\n"
      "steps      {}: {} for each replica, {} common, {} merges, {} transfers, in {} strands\n",
      model.name, plan.replicas, plan.batch, slices_text(plan), plan.steps.size(),
      most == s.nodes.end() ? 0 : *most, s.common, s.merges, s.transfers, s.strands);
  return out +
         fmt::format("program    {}   (arithmetic: equal on every device list; isa {})\n",
                     hex(plan.program_hash), plan.traits.isa) +
         fmt::format("plan       {}   (arithmetic and deployment)\n", hex(plan.plan_hash));
}

std::string device_table(const PlanSummary& s) {
  Table table({"device", "replicas", "steps", "peak memory", "arena", "state", "transfers in", ""},
              "llrrrrrr");
  for (auto& d : s.devices)
    table.row({d.name, replicas_text(d.replicas), grouped(d.steps), bytes_text(d.arena + d.state),
               bytes_text(d.arena), bytes_text(d.state), grouped(d.transfers),
               bytes_text(d.transfer_bytes)});
  return table.text();
}

std::string sync_table(const Plan& plan, const PlanSummary& s) {
  if (plan.syncs.empty()) return "no synchronization\n";
  Table table({"synchronized", "merge", "bytes", "participants", "over", "pass"}, "llrrll");
  for (auto& sync : plan.syncs)
    table.row({plan.nodes[size_t(sync.node)].label, sync.merge, grouped(sync.bytes),
               std::to_string(sync.participants), group_text(sync.group),
               sync.backward ? "backward" : "forward"});
  return table.text() +
         fmt::format(
             "in all     {} forward ({}), {} backward ({}); {} of them are exchanges between "
             "devices, {} in {} transfers\n",
             s.syncs_forward, bytes_text(s.sync_bytes_forward), s.syncs_backward,
             bytes_text(s.sync_bytes_backward), s.exchanges, bytes_text(s.transfer_bytes),
             s.transfers);
}

// In the order in which they are called within one replica.
std::string callback_table(const Plan& plan) {
  if (plan.hook_points.empty()) return "";
  Table table({"callback", "calls", "on", "type", "position", "line"}, "llllrr");
  for (auto& point : plan.hook_points) {
    auto& spec = plan.hooks[size_t(point.spec)];
    table.row({std::string(to_string(spec.kind)), spec.name,
               point.layer.empty() ? "the model" : point.layer, point.type,
               std::to_string(point.position), std::to_string(point.mark.line)});
  }
  return table.text() + fmt::format("order      all of replica 0, then of replica 1, ... {}\n\n",
                                    plan.replicas - 1);
}

std::string kernel_table(const PlanSummary& s) {
  Table table({"kernel", "implementation", "steps"}, "llr");
  for (auto& k : s.kernels) table.row({k.op, k.impl, grouped(k.steps)});
  std::string out = table.text();
  if (s.gemm.empty()) return out;
  out += "\nthese steps landed on gemm, whose bits may depend on the batch and on threads:\n";
  for (auto& step : s.gemm) out += "  " + step + "\n";
  return out;
}

}  // namespace

int plan_command(const Arguments& a) {
  Model model = load_network(a).model;
  Plan plan = make_plan(model, a);
  PlanSummary s = inspect(plan);
  if (a.json)
    print(line(as_json(model, plan, s)));
  else
    print(head(model, plan, s) + "\n" + device_table(s) + "\n" + sync_table(plan, s) + "\n" +
          callback_table(plan) + kernel_table(s));
  return 0;
}

}  // namespace braid::cli
