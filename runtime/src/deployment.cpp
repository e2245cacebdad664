#include <braid/runtime/deployment.h>

#include <unistd.h>

#include <map>

#include <braid/nodes/isa.h>

namespace braid {
namespace {

Deployment on_the_host(const DeployOptions& options) {
  const int64_t memory = int64_t(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  Deployment d{.placements = host_placements(int(options.devices.size())), .memory = memory};
  if (options.engine == "reference") {
    d.traits = {.kind = "reference", .isa = ""};
    return d;
  }
  if (!options.isa.empty() && !pin_isa(options.isa))
    throw Error(Fault::device, "E0505",
                "--isa " + options.isa + ": this machine offers at most " + host_isa() +
                    ", and the choice must come before anything has run")
        .help("one of: sse4, avx2, avx512");
  d.traits = {.kind = "cpu", .isa = current_isa()};
  return d;
}

// GPUs of two architectures would give other bits than one: they are two kinds of device.
void take_traits(const DeployOptions& options, Deployment& d) {
  std::map<std::string, int64_t> memory;  // of the GPUs that are used
  for (auto& info : d.backend->devices())
    for (auto& name : options.devices) {
      if (info.name != (name.find(':') == name.npos ? name + ":0" : name)) continue;
      if (!d.traits.isa.empty() && d.traits.isa != info.isa)
        throw Error(Fault::device, "E0512",
                    "devices of two architectures, " + d.traits.isa + " and " + info.isa +
                        ": their bits differ, so they cannot share a network",
                    options.mark)
            .help("name devices of one architecture");
      d.traits.isa = info.isa;
      memory[info.name] = info.memory;
    }
  for (auto& [name, bytes] : memory) d.memory += bytes;
  if (!options.isa.empty() && options.isa != d.traits.isa)
    throw Error(Fault::device, "E0505",
                "--isa " + options.isa + ": this machine's GPU is " + d.traits.isa, options.mark)
        .help("`braid plan` makes plans for GPUs that are not here");
}

}  // namespace

Deployment deploy(const DeployOptions& options) {
  const std::string kind = kind_of(options.devices, options.mark);
  if (kind == "cpu") return on_the_host(options);
  if (options.engine == "reference")
    throw Error(Fault::device, "E0511", "the engine 'reference' computes on the CPU alone",
                options.mark)
        .help("use --devices cpu");
  Deployment d{.traits = {.kind = kind},
               .backend = options.backend ? options.backend : load_backend(kind)};
  if (options.plan_only && !options.isa.empty()) {
    d.traits.isa = options.isa;
    return d;
  }
  for (auto& name : options.devices) {
    if (options.plan_only) break;
    auto device = d.backend->open(name);
    device->set_transport(options.transport);
    d.placements.push_back(device);
  }
  take_traits(options, d);
  return d;
}

}  // namespace braid
