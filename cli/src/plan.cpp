// `braid plan NET`: the expanded program and where it runs.
#include <braid/compiler/inspect.h>

#include <fmt/format.h>

#include <map>
#include <set>

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

// The exchange that each sync point travels in, counted from 1.
std::vector<int> exchange_numbers(const Plan& plan) {
  std::vector<int> numbers;
  std::map<int, int> of_node;
  for (auto& sync : plan.syncs)
    numbers.push_back(of_node.try_emplace(sync.node, int(of_node.size()) + 1).first->second);
  return numbers;
}

Json syncs_json(const Plan& plan) {
  Json out = Json::array();
  auto numbers = exchange_numbers(plan);
  for (size_t i = 0; i < numbers.size(); ++i) {
    auto& sync = plan.syncs[i];
    out.push_back({{"exchange", numbers[i]},
                   {"layer", sync.layer},
                   {"variable", sync.variable},
                   {"operation", sync.op},
                   {"merge", sync.merge},
                   {"fast", sync.fast},
                   {"group", sync.group},
                   {"bytes", sync.bytes},
                   {"participants", sync.participants},
                   {"pass", sync.backward ? "backward" : "forward"}});
  }
  return out;
}

Json totals_json(const PlanSummary& s) {
  return {{"forward",
           {{"points", s.syncs_forward},
            {"exchanges", s.exchanges_forward},
            {"bytes", s.sync_bytes_forward}}},
          {"backward",
           {{"points", s.syncs_backward},
            {"exchanges", s.exchanges_backward},
            {"bytes", s.sync_bytes_backward}}}};
}

Json callbacks_json(const Plan& plan) {
  Json out = Json::array();
  for (auto& point : plan.hook_points) {
    auto& spec = plan.hooks[size_t(point.spec)];
    out.push_back({{"hook", to_string(point.kind)},
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
          {"reduce", plan.fast ? "fast" : "exact"},
          {"summed_over", plan.summed_over},
          {"program_hash", hex(plan.program_hash)},
          {"plan_hash", hex(plan.plan_hash)},
          {"steps", plan.steps.size()},
          {"strands", s.strands},
          {"ganged", s.ganged},
          {"streams", s.streams},
          {"events", s.events},
          {"lanes", plan.lanes},
          {"nodes_per_replica", s.nodes},
          {"common_nodes", s.common},
          {"merges", s.merges},
          {"transfers", s.transfers},
          {"transfer_bytes", s.transfer_bytes},
          {"exchanges", s.exchanges()},
          {"device_exchanges", s.device_exchanges},
          {"synchronization", totals_json(s)},
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
  if (s.streams)
    out += fmt::format(
        "launches   {} steps serve several replicas or merges at once; {} streams a device, {} "
        "events between them\n",
        s.ganged, s.streams, s.events);
  if (plan.fast)
    out += "reduce     fast" + (plan.as_exact.empty()
                                    ? fmt::format(": {} sums of gradients ({}) in the order of the "
                                                  "devices' library\n",
                                                  s.sums, bytes_text(s.sum_bytes))
                                    : ", the same as exact here: " + plan.as_exact + "\n");
  const auto where = plan.summed_over == 1
                         ? std::string("equal on every device list")
                         : fmt::format("of {} devices, no other number", plan.summed_over);
  return out +
         fmt::format("program    {}   (arithmetic: {}; isa {})\n", hex(plan.program_hash), where,
                     plan.traits.isa) +
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

std::string full_sync_table(const Plan& plan, const std::vector<int>& numbers) {
  Table table({"exchange", "synchronized", "made by", "merge", "bytes", "replicas", "over", "pass"},
              "rlllrrll");
  for (size_t i = 0; i < numbers.size(); ++i) {
    auto& sync = plan.syncs[i];
    table.row({std::to_string(numbers[i]),
               sync.layer + (sync.variable.empty() ? "" : "." + sync.variable), sync.op,
               sync.merge + (sync.fast ? ", library" : ""), grouped(sync.bytes),
               std::to_string(sync.participants), group_text(sync.group),
               sync.backward ? "backward" : "forward"});
  }
  return table.text();
}

// 3 5 6 7 -> "3, 5..7"
std::string ranges_text(const std::set<int>& numbers) {
  std::string out;
  for (auto at = numbers.begin(); at != numbers.end();) {
    int first = *at, last = first;
    while (++at != numbers.end() && *at == last + 1) last = *at;
    out += (out.empty() ? "" : ", ") + std::to_string(first);
    if (last > first) out += ".." + std::to_string(last);
  }
  return out;
}

std::string layer_sync_table(const Plan& plan, const std::vector<int>& numbers) {
  struct Row {
    int forward = 0, backward = 0, replicas = 0;
    int64_t bytes_forward = 0, bytes_backward = 0;
    std::set<int> exchanges = {};
  };
  std::map<std::string, Row> rows;
  std::vector<std::string> layers;  // in the order of the network
  for (size_t i = 0; i < numbers.size(); ++i) {
    auto& sync = plan.syncs[i];
    auto [entry, fresh] = rows.try_emplace(sync.layer);
    if (fresh) layers.push_back(sync.layer);
    Row& row = entry->second;
    ++(sync.backward ? row.backward : row.forward);
    (sync.backward ? row.bytes_backward : row.bytes_forward) += sync.bytes;
    row.replicas = std::max(row.replicas, sync.participants);
    row.exchanges.insert(numbers[i]);
  }
  Table table({"synchronized", "forward", "bytes", "backward", "bytes", "replicas", "exchanges"},
              "lrrrrrl");
  for (auto& layer : layers) {
    auto& row = rows.at(layer);
    table.row({layer, std::to_string(row.forward), grouped(row.bytes_forward),
               std::to_string(row.backward), grouped(row.bytes_backward),
               std::to_string(row.replicas), ranges_text(row.exchanges)});
  }
  return table.text() + "(--verbose lists every sync point)\n";
}

std::string sync_table(const Plan& plan, const PlanSummary& s, bool verbose) {
  constexpr size_t few = 40;
  if (plan.syncs.empty()) return "no synchronization\n";
  auto numbers = exchange_numbers(plan);
  return (verbose || numbers.size() <= few ? full_sync_table(plan, numbers)
                                           : layer_sync_table(plan, numbers)) +
         fmt::format(
             "in all     {} forward ({}) + {} backward ({}) sync points a step, travelling in "
             "{} + {} exchanges;\n           {} of these between devices, {} in {} transfers\n",
             s.syncs_forward, bytes_text(s.sync_bytes_forward), s.syncs_backward,
             bytes_text(s.sync_bytes_backward), s.exchanges_forward, s.exchanges_backward,
             s.device_exchanges, bytes_text(s.transfer_bytes), s.transfers);
}

// In the order in which they are called within one replica.
std::string callback_table(const Plan& plan) {
  if (plan.hook_points.empty()) return "";
  Table table({"callback", "calls", "on", "type", "position", "line"}, "llllrr");
  for (auto& point : plan.hook_points) {
    auto& spec = plan.hooks[size_t(point.spec)];
    table.row({std::string(to_string(point.kind)), spec.name,
               point.layer.empty() ? "the model" : point.layer, point.type,
               std::to_string(point.position), std::to_string(point.mark.line)});
  }
  return table.text() +
         fmt::format("order      of positions within a replica, replica after replica: 0 to {}\n\n",
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

std::string as_text(const Model& model, const Plan& plan, bool verbose) {
  PlanSummary s = inspect(plan);
  return head(model, plan, s) + "\n" + device_table(s) + "\n" + sync_table(plan, s, verbose) +
         "\n" + callback_table(plan) + kernel_table(s);
}

}  // namespace

int plan_command(const Arguments& a) {
  Network network = load_network(a);
  Model& model = network.model;
  if (model.phases.empty() || a.mode == "eval") {
    Plan plan = make_plan(network, a);
    print(a.json ? line(as_json(model, plan, inspect(plan))) : as_text(model, plan, a.verbose));
    return 0;
  }
  Json phases = Json::array();  // one program each
  for (size_t p = 0; p < model.phases.size(); ++p) {
    Plan plan = make_plan(network, a, int(p));
    const std::string& name = model.phases[p].name;
    if (!a.json)
      print((p ? "\n" : "") + ("phase " + name + "\n") + as_text(model, plan, a.verbose));
    phases.push_back(as_json(model, plan, inspect(plan)));
    phases.back()["phase"] = name;
  }
  if (a.json) print(line({{"name", model.name}, {"phases", phases}}));
  return 0;
}

}  // namespace braid::cli
