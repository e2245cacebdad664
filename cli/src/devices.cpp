// `braid devices`: what this build and this machine offer.
#include <algorithm>
#include <filesystem>
#include <thread>

#include <sched.h>

#include <braid/nodes/isa.h>

#include "commands.h"
#include "json.h"
#include "output.h"

namespace braid::cli {
namespace {

// Those that this process may use: a container or taskset may allow fewer than there are.
int cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return int(std::max(1u, std::thread::hardware_concurrency()));
}

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

}  // namespace

int devices_command(const Arguments& a) {
  if (a.json) {
    print(line({{"devices",
                 {{{"kind", "cpu"},
                   {"cores", cores()},
                   {"isa", host_isa()},
                   {"numa_nodes", numa_nodes()}}}},
                {"backends", {"cpu"}}}));
    return 0;
  }
  print("cpu    " + std::to_string(cores()) + " cores, " + host_isa() + ", " +
        std::to_string(numa_nodes()) +
        " NUMA node(s)\n"
        "       cpu:0, cpu:1, ... are placements, each with its own memory and copy of the "
        "parameters\n"
        "cuda   none: this build has no CUDA backend\n");
  return 0;
}

}  // namespace braid::cli
