#include "run_record.h"

#include <fstream>

#include <braid/compiler/draw.h>
#include <braid/runtime/files.h>

#include "host.h"
#include "json.h"
#include "output.h"

namespace braid::cli {
namespace {

// Nothing there, or nothing that is one: then there were no parts.
Json parts_before(const std::string& path) {
  std::ifstream in(path);
  const Json record = Json::parse(in, nullptr, false);
  if (!record.is_object() || !record.contains("parts") || !record["parts"].is_array())
    return Json::array();
  return record["parts"];
}

std::string program_hashes(Session& session, const std::vector<ProgramKey>& keys) {
  std::string all;
  for (auto& key : keys) all += (all.empty() ? "" : "+") + hex(session.plan(key).program_hash);
  return all;
}

std::vector<Picture> pictures(Session& session, const std::vector<ProgramKey>& keys,
                              const Summary& summary) {
  auto& model = session.model();
  std::vector<Picture> all = {draw_network(model, summary, session.registry())};
  for (auto& key : keys) {
    all.push_back(draw_replicas(session.plan(key)));
    const auto phase = key.phase < 0 ? "" : model.phases[size_t(key.phase)].name + ", ";
    all.back().title = model.name + ": " + phase + all.back().title;
  }
  return all;
}

}  // namespace

RunRecord::RunRecord(std::string folder, const Arguments& arguments, Session& session)
    : folder_(std::move(folder)), arguments_(arguments), session_(session) {}

void RunRecord::begin(const TrainEvent& event) {
  auto& model = session_.model();
  const auto keys = session_.training_programs(model.batch.global);
  Diagnostics found;
  const Summary summary = check(model, session_.registry(), found);
  auto& plan = session_.plan(keys.front());
  Json record = {{"braid-run", 1},
                 {"name", model.name},
                 {"file", model.mark.source ? model.mark.source->name : ""},
                 {"yaml", model.mark.source ? model.mark.source->text : ""},
                 {"program", program_hashes(session_, keys)},
                 {"seed", model.seed},
                 {"batch", model.batch.global},
                 {"replicas", plan.replicas},
                 {"parameters", summary.parameters}};
  Json set = Json::object();
  for (auto& [key, value] : arguments_.set) set[key] = value;
  if (!set.empty()) record["set"] = set;
  record["parts"] = event.step > 0 ? parts_before(folder_ + "/run.json") : Json::array();
  record["parts"].push_back({{"braid", BRAID_VERSION},
                             {"started", utc_now()},
                             {"host", host_name()},
                             {"system", operating_system()},
                             {"cpu", cpu_model()},
                             {"cores", cores()},
                             {"devices", plan.devices},
                             {"isa", plan.traits.isa},
                             {"engine", arguments_.engine},
                             {"threads", arguments_.threads ? arguments_.threads : cores()},
                             {"first", event.step},
                             {"steps", event.steps}});
  record_ = line(record);
  keep([&] {
    write_file(folder_ + "/run.json", record_);
    write_file(folder_ + "/plan.json", to_json(pictures(session_, keys, summary)));
  });
}

void RunRecord::end(const std::string& how, const TrainEvent& last) {
  if (record_.empty()) return;
  Json record = Json::parse(record_);
  auto& part = record["parts"].back();
  part["ended"] = how;
  part["last"] = last.step;
  part["seconds"] = last.seconds;
  part["images_per_second"] = last.images_per_second;
  keep([&] { write_file(folder_ + "/run.json", line(record)); });
  record_.clear();
}

void RunRecord::keep(const std::function<void()>& write) {
  try {
    write();
  } catch (const Error& error) {
    warn("warning: " + error.diagnostics().front().message +
         "; the run goes on without its record\n");
    record_.clear();
  }
}

}  // namespace braid::cli
