// Where replicas live: the devices of a session, what is computed there, and who owns their memory.
//
//   Deployment d = deploy({.devices = {"cuda:0", "cuda:0"}});   // two placements on one GPU
//   if (d.backend) d.backend->register_kernels(registry);
//   Memory memory(d.placements);
//   State state(d.placements, seed);
#pragma once
#include <braid/compiler/compile.h>
#include <braid/runtime/backend.h>

namespace braid {

struct DeployOptions {
  std::vector<std::string> devices = {"cpu"};
  std::string engine = "tbb";
  std::string isa = {};  ///< to pin the host's; for a plan alone, a GPU's that is not here: "sm_90"
  std::shared_ptr<Backend> backend = {};  ///< none = loaded when a device asks for it
  Transport transport = Transport::copies;
  bool plan_only = false;  ///< nothing will run: no placements are opened
  Mark mark = {};          ///< where the devices are named
};

struct Deployment {
  DeviceTraits traits;
  std::shared_ptr<Backend> backend;  ///< of devices with queues; outlives the placements
  Placements placements;
  int64_t memory = 0;  ///< bytes, of all placements together
};

/// Throws Error(device): E0502 for what is no device, E0510 and E0512 for devices that cannot share
/// a network, E0507 to E0509 for a backend, driver or GPU that is not there, E0505 for an
/// instruction set that the machine has not.
Deployment deploy(const DeployOptions& options);

}  // namespace braid
