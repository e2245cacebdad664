#include "trace/stage_trace.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace braid {
namespace {

std::string json_text(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}
std::string micros(int64_t ns) { return fmt::format("{}.{:03}", ns / 1000, ns % 1000); }

}  // namespace

int64_t StageTrace::first() const {
  int64_t first = INT64_MAX;
  for (auto& track : tracks)
    if (!track.events.empty()) first = std::min(first, track.events.front().begin);
  for (auto& drop : drops) first = std::min(first, drop.time);
  return first;
}

int64_t StageTrace::events() const {
  auto count = int64_t(drops.size());
  for (auto& track : tracks) count += int64_t(track.events.size());
  return count;
}

void StageTrace::write(std::string& out, int tid, int64_t origin) const {
  for (auto& track : tracks) {
    ++tid;
    if (track.events.empty()) continue;
    out += fmt::format(R"({{"ph":"M","pid":1,"tid":{},"name":"thread_name","args":{{"name":{}}}}},)"
                       "\n",
                       tid, json_text(track.name));
    for (auto& e : track.events) {
      auto& stage = stages[size_t(e.stage)];
      out += fmt::format(R"({{"ph":"X","pid":1,"tid":{},"ts":{},"dur":{},"name":{},"cat":"stage",)"
                         R"("args":{{"stage":{},"kind":"{}","item":{},"items":{}{}}}}},)"
                         "\n",
                         tid, micros(e.begin - origin), micros(e.end - e.begin),
                         json_text(stage.name), json_text(stage.name), stage.kind, e.item, e.items,
                         stage.place.empty() ? "" : ",\"yaml\":" + json_text(stage.place));
    }
  }
  for (auto& drop : drops)
    out += fmt::format(
        R"({{"ph":"C","pid":1,"tid":0,"ts":{},"name":{},"cat":"stage","args":{{"dropped":{}}}}},)"
        "\n",
        micros(drop.time - origin), json_text("dropped: " + stages[size_t(drop.stage)].name),
        drop.count);
}

}  // namespace braid
