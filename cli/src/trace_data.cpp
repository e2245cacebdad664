#include "trace_data.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <braid/core/error.h>

#include "json.h"

namespace braid::cli {
namespace {

constexpr int64_t most_values = 20'000'000;  // of what describes the programs
constexpr int64_t most_values_of_event = 1000;
constexpr double longest = 1e12;  // microseconds: eleven days

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  TraceData read(const std::string& text) {
    const Json rest = Json::parse(
        text, [this](int depth, auto kind, Json& value) { return see(depth, kind, value); }, false);
    if (rest.is_discarded()) refuse("this is no JSON");
    if (!rest.is_object() || !rest.contains("otherData") || !rest["otherData"].is_object() ||
        !rest["otherData"].contains("braid-trace"))
      refuse("it was not written by `braid train --trace` or `braid run --trace`");
    auto& other = rest["otherData"];
    if (other["braid-trace"] != 1) refuse("it was written by another version of braid");
    data_.name = word(other, "name");
    for (auto& program : list(other, "programs")) this->program(program);
    settle();
    return std::move(data_);
  }

 private:
  using Event = Json::parse_event_t;

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Fault::data, "E0708", path_ + ": " + why)
        .help("braid train NET --trace F, then braid trace F");
  }

  // Events are taken as soon as they are whole, and forgotten: there may be millions.
  bool see(int depth, Event kind, Json& value) {
    if (kind == Event::key && depth == 1) in_events_ = value == "traceEvents";
    const bool whole = in_events_ && depth == 2 && kind == Event::object_end;
    if (in_events_ ? ++of_event_ > most_values_of_event : ++described_ > most_values)
      refuse(in_events_ ? "an event is too large" : "it describes more than is read");
    if (!whole) return true;
    event(value);
    of_event_ = 0;
    return false;
  }

  static std::string word(const Json& json, const char* key) {
    auto at = json.find(key);
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
  }

  int64_t whole(const Json& json, const char* key, int64_t most) const {
    auto at = json.find(key);
    if (at == json.end() || !at->is_number_integer() ||
        (at->is_number_unsigned() && at->get<uint64_t>() > uint64_t(most)) ||
        at->get<int64_t>() < 0 || at->get<int64_t>() > most)
      refuse(std::string("\"") + key + "\" is missing or no possible number");
    return at->get<int64_t>();
  }

  const Json& list(const Json& json, const char* key) const {
    auto at = json.find(key);
    if (at == json.end() || !at->is_array())
      refuse(std::string("there is no list of \"") + key + "\"");
    return *at;
  }

  int64_t nanoseconds(const Json& json, const char* key) const {
    auto at = json.find(key);
    const double value = at != json.end() && at->is_number() ? at->get<double>() : std::nan("");
    if (!(value >= 0 && value <= longest))
      refuse(std::string("an event has no possible \"") + key + "\"");
    return std::llround(value * 1000);
  }

  int named(const std::string& name) {
    auto [entry, fresh] = names_.try_emplace(name, int(data_.names.size()));
    if (fresh) data_.names.push_back(name);
    return entry->second;
  }

  void event(const Json& e) {
    auto args = e.find("args");
    const auto phase = word(e, "ph");
    if (args == e.end() || !args->is_object()) return;
    if (phase == "M" && word(e, "name") == "thread_name")
      tracks_[whole(e, "tid", INT32_MAX)] = word(*args, "name");
    if (phase != "X" || !args->contains("run")) return;
    const int64_t begin = nanoseconds(e, "ts"), end = begin + nanoseconds(e, "dur");
    const int run = int(whole(*args, "run", INT32_MAX - 1));
    if (word(e, "cat") == "step") {
      if (run != int(data_.runs.size())) refuse("its steps are not in order");
      auto failed = args->find("failed");
      data_.runs.push_back({.program = int(whole(*args, "program", INT32_MAX)),
                            .step = whole(*args, "step", INT64_MAX),
                            .begin = begin,
                            .end = end,
                            .what = word(*args, "what"),
                            .failed = failed != args->end() && *failed == true});
      return;
    }
    auto layer = word(*args, "layer");
    data_.events.push_back({.run = run,
                            .task = int(whole(*args, "task", INT32_MAX)),
                            .track = int(whole(e, "tid", INT32_MAX)),
                            .layer = named(layer.empty() ? word(*args, "op") : layer),
                            .phase = named(word(*args, "phase")),
                            .begin = begin,
                            .end = end});
  }

  std::vector<int> tasks(const Json& json, size_t count) const {
    if (!json.is_array()) refuse("a list of tasks is none");
    std::vector<int> all;
    for (auto& item : json) {
      if (!item.is_number_unsigned() || item.get<uint64_t>() >= count)
        refuse("it names a task that it has not");
      all.push_back(item.get<int>());
    }
    return all;
  }

  void program(const Json& json) {
    if (!json.is_object()) refuse("a program is none");
    TraceData::Program program;
    program.batch = whole(json, "batch", INT64_MAX);
    program.replicas = int(whole(json, "replicas", INT32_MAX));
    for (auto& device : list(json, "devices"))
      program.devices.push_back(device.is_string() ? device.get<std::string>() : "");
    auto& after = list(json, "after");
    for (auto& each : after) program.after.push_back(tasks(each, after.size()));
    for (auto& each : list(json, "syncs")) {
      if (!each.is_object()) refuse("a sync point is none");
      TraceData::Program::Sync sync{
          word(each, "name"), tasks(list(each, "tasks"), after.size()), {}};
      for (auto& from : list(each, "from")) sync.from.push_back(tasks(from, after.size()));
      if (int64_t(sync.from.size()) > program.replicas)
        refuse("a sync point has more replicas than there are");
      program.syncs.push_back(std::move(sync));
    }
    data_.programs.push_back(std::move(program));
  }

  // Numbers into lists, once all lists are known; tracks are numbered as they are named.
  void settle() {
    for (auto& run : data_.runs)
      if (run.program >= int(data_.programs.size())) refuse("it names a program that it has not");
    std::map<int64_t, int> place;
    for (auto& [tid, name] : tracks_) {
      place[tid] = int(data_.tracks.size());
      data_.tracks.push_back(name);
    }
    for (auto& event : data_.events) {
      if (event.run >= int(data_.runs.size())) refuse("it names a step that it has not");
      auto& program = data_.programs[size_t(data_.runs[size_t(event.run)].program)];
      if (event.task >= int(program.after.size())) refuse("it names a task that it has not");
      auto track = place.find(event.track);
      if (track == place.end()) refuse("it names a track that it has not");
      event.track = track->second;
    }
  }

  const std::string& path_;
  TraceData data_;
  bool in_events_ = false;
  int64_t described_ = 0, of_event_ = 0;  // values
  std::map<std::string, int> names_;
  std::map<int64_t, std::string> tracks_;
};

}  // namespace

TraceData read_trace(const std::string& text, const std::string& path) {
  return Reader(path).read(text);
}

}  // namespace braid::cli
