// `braid trace FILE`: what `--trace` recorded, as tables.
#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "commands.h"
#include "file_text.h"
#include "json.h"
#include "output.h"
#include "trace_summary.h"

namespace braid::cli {
namespace {

constexpr int64_t longest_file = int64_t{512} << 20;
constexpr size_t most_layers = 25, most_syncs = 15, most_replicas = 8;

std::string ms(double seconds) { return fmt::format("{:.3f}", seconds * 1e3); }
std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

const char* passes_name(const std::string& what) {
  return what == "train" ? "training steps" : what == "eval" ? "evaluated batches" : "passes";
}

std::string head(const TraceData& trace, const TraceSummary& s) {
  std::string text = trace.name + ": " + std::to_string(s.passes) + " " + passes_name(s.what);
  if (s.what == "train")
    text += s.first == s.last ? fmt::format(", step {}", s.first)
                              : fmt::format(", steps {} to {}", s.first, s.last);
  for (auto& program : trace.programs) {
    std::string devices;
    for (auto& d : program.devices) devices += (devices.empty() ? "" : ", ") + d;
    text += fmt::format("; {} samples, {} replica{} on {}", program.batch, program.replicas,
                        program.replicas == 1 ? "" : "s", devices);
    break;  // those of an evaluation are no news
  }
  text += "\n";
  if (s.others) text += fmt::format("{} other passes are left out\n", s.others);
  if (s.failed) text += fmt::format("{} failed\n", s.failed);
  return text + fmt::format(
                    "\nstep      {:.3g} ms   (median; {:.3g} to {:.3g})\n"
                    "path      {:.3g} ms   (critical; {:.3g} of work, the rest waits for a "
                    "worker)\n"
                    "work      {:.3g} ms   (of all workers together)\n",
                    s.median * 1e3, s.least * 1e3, s.most * 1e3, s.path * 1e3, s.path_work * 1e3,
                    s.work * 1e3);
}

std::vector<std::string> cells(const std::string& name, const TraceSummary::Layer& layer,
                               const TraceSummary& s, bool callbacks) {
  std::vector<std::string> row = {name};
  for (size_t p = 0; p < layer.seconds.size() - !callbacks; ++p)
    row.push_back(layer.seconds[p] > 0 ? ms(layer.seconds[p]) : "");
  row.push_back(percent(s.work > 0 ? layer.total() / s.work : 0));
  row.push_back(percent(s.path > 0 ? layer.path / s.path : 0));
  return row;
}

std::string layers(const TraceSummary& s) {
  const bool callbacks =
      std::ranges::any_of(s.layers, [](auto& layer) { return layer.seconds.back() > 0; });
  std::vector<std::string> heads = {"layers, ms"};
  for (size_t p = 0; p < s.phases.size() - !callbacks; ++p) heads.emplace_back(s.phases[p]);
  heads.insert(heads.end(), {"share", "of the path"});
  Table table(heads, "lrrrrrrr");
  TraceSummary::Layer rest;
  for (size_t i = 0; i < s.layers.size(); ++i) {
    auto& layer = s.layers[i];
    if (i < most_layers) {
      table.row(cells(layer.name, layer, s, callbacks));
      continue;
    }
    for (size_t p = 0; p < layer.seconds.size(); ++p) rest.seconds[p] += layer.seconds[p];
    rest.path += layer.path;
  }
  if (s.layers.size() > most_layers)
    table.row(cells(fmt::format("{} more", s.layers.size() - most_layers), rest, s, callbacks));
  return table.text();
}

std::string last_text(const TraceSummary::Sync& sync) {
  const int who = sync.straggler();
  const auto all = std::accumulate(sync.last.begin(), sync.last.end(), int64_t{0});
  return fmt::format("replica {}, {}", who, percent(double(sync.last[size_t(who)]) / double(all)));
}

std::string syncs(const TraceSummary& s) {
  size_t replicas = 0;
  for (auto& sync : s.syncs) replicas = std::max(replicas, sync.waits.size());
  std::vector<std::string> heads = {"waits at sync points, ms"};
  if (replicas > most_replicas)
    heads.insert(heads.end(), {"least", "mean", "most"});
  else
    for (size_t r = 0; r < replicas; ++r) heads.push_back("replica " + std::to_string(r));
  heads.emplace_back("mostly last");
  Table table(heads, "l" + std::string(heads.size() - 2, 'r'));
  for (size_t i = 0; i < std::min(s.syncs.size(), most_syncs); ++i) {
    auto& sync = s.syncs[i];
    std::vector<std::string> row = {sync.name};
    auto& waits = sync.waits;
    if (replicas > most_replicas) {
      const double sum = std::accumulate(waits.begin(), waits.end(), 0.0);
      row.insert(row.end(), {ms(std::ranges::min(waits)), ms(sum / double(waits.size())),
                             ms(std::ranges::max(waits))});
    } else {
      for (double wait : waits) row.push_back(ms(wait));
      row.resize(replicas + 1);
    }
    row.push_back(last_text(sync));
    table.row(row);
  }
  auto text = table.text();
  if (s.syncs.size() > most_syncs)
    text += fmt::format("{} more with shorter waits\n", s.syncs.size() - most_syncs);
  return text;
}

std::string tracks(const TraceSummary& s) {
  Table table({"tracks", "busy", "events"}, "lrr");
  for (auto& track : s.tracks) table.row({track.name, percent(track.busy), grouped(track.events)});
  return table.text();
}

Json to_json(const TraceData& trace, const TraceSummary& s) {
  Json layers = Json::array(), syncs = Json::array(), tracks = Json::array();
  for (auto& layer : s.layers) {
    Json ms;
    for (size_t p = 0; p < s.phases.size(); ++p) ms[s.phases[p]] = layer.seconds[p] * 1e3;
    layers.push_back({{"name", layer.name}, {"ms", ms}, {"path_ms", layer.path * 1e3}});
  }
  for (auto& sync : s.syncs) {
    Json waits = Json::array();
    for (double wait : sync.waits) waits.push_back(wait * 1e3);
    syncs.push_back({{"name", sync.name},
                     {"calls", sync.calls},
                     {"wait_ms", waits},
                     {"last", sync.last},
                     {"straggler", sync.straggler()}});
  }
  for (auto& track : s.tracks)
    tracks.push_back({{"name", track.name}, {"busy", track.busy}, {"events", track.events}});
  return {{"name", trace.name},
          {"what", s.what},
          {"passes", s.passes},
          {"left_out", s.others},
          {"failed", s.failed},
          {"first", s.first},
          {"last", s.last},
          {"ms", {{"median", s.median * 1e3}, {"min", s.least * 1e3}, {"max", s.most * 1e3}}},
          {"worked_ms", s.work * 1e3},
          {"path", {{"ms", s.path * 1e3}, {"worked_ms", s.path_work * 1e3}}},
          {"layers", layers},
          {"sync_points", syncs},
          {"tracks", tracks}};
}

}  // namespace

int trace_command(const Arguments& a) {
  const auto trace = read_trace(file_text(a.target, "E0708", longest_file), a.target);
  const auto summary = summarize(trace);
  if (a.json) {
    print(line(to_json(trace, summary)));
    return 0;
  }
  if (summary.passes == 0) {
    print(trace.name + ": no step was recorded\n");
    return 0;
  }
  print(head(trace, summary) + "\n" + layers(summary));
  if (!summary.syncs.empty()) print("\n" + syncs(summary));
  print("\n" + tracks(summary));
  return 0;
}

}  // namespace braid::cli
