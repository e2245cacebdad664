// `braid devices`: what this build and this machine offer.
#include <algorithm>
#include <filesystem>

#include <braid/nodes/isa.h>
#include <braid/runtime/backend.h>

#include "commands.h"
#include "host.h"
#include "json.h"
#include "output.h"

namespace braid::cli {
namespace {

int numa_nodes() {
  int nodes = 0;
  std::error_code error;
  for (auto& entry : std::filesystem::directory_iterator("/sys/devices/system/node", error)) {
    auto name = entry.path().filename().string();
    nodes += name.size() > 4 && name.starts_with("node") &&
             std::all_of(name.begin() + 4, name.end(), [](char c) { return c >= '0' && c <= '9'; });
  }
  return std::max(1, nodes);
}

// GPUs, or why there are none.
struct Gpus {
  std::vector<DeviceInfo> devices = {};
  std::string versions = {}, why = {};
  bool loaded = false;
};

Gpus find_gpus() {
  Gpus gpus;
  try {
    auto backend = load_backend("cuda");
    gpus.loaded = true;
    gpus.versions = backend->versions();
    gpus.devices = backend->devices();
  } catch (const Error& e) {
    gpus.why = e.diagnostics().front().message;
  }
  return gpus;
}

}  // namespace

int devices_command(const Arguments& a) {
  const Gpus gpus = find_gpus();
  if (a.json) {
    auto devices = nlohmann::json::array(
        {{{"kind", "cpu"}, {"cores", cores()}, {"isa", host_isa()}, {"numa_nodes", numa_nodes()}}});
    for (auto& gpu : gpus.devices)
      devices.push_back({{"kind", "cuda"},
                         {"name", gpu.name},
                         {"model", gpu.model},
                         {"isa", gpu.isa},
                         {"memory", gpu.memory}});
    auto backends = nlohmann::json::array({"cpu"});
    if (gpus.loaded) backends.push_back("cuda");
    nlohmann::json all{{"devices", devices}, {"backends", backends}};
    if (!gpus.versions.empty()) all["cuda"] = gpus.versions;
    print(line(all));
    return 0;
  }
  print("cpu    " + std::to_string(cores()) + " cores, " + host_isa() + ", " +
        std::to_string(numa_nodes()) +
        " NUMA node(s)\n"
        "       cpu:0, cpu:1, ... are placements, each with its own memory and copy of the "
        "parameters\n");
  for (auto& gpu : gpus.devices)
    print(gpu.name + " " + gpu.model + ", " + gpu.isa + ", " + std::to_string(gpu.memory >> 30) +
          " GiB; may be named several times\n");
  if (!gpus.why.empty()) print("cuda   none: " + gpus.why + "\n");
  if (gpus.loaded) print("       " + gpus.versions + "\n");
  return 0;
}

}  // namespace braid::cli
