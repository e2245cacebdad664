// A plug-in that brings hooks: one by name, and one for a type that few networks have.
#include <braid/plugin.h>
#include <braid/runtime/hooks.h>

#include <cstdio>

BRAID_PLUGIN(registry) {}

BRAID_PLUGIN_HOOKS(hooks) {
  hooks.bind("watch", [](const braid::HookVisit& v) {
    if (v.step == 0 && v.replica() == 0)
      std::fprintf(stderr, "watched %s\n", std::string(v.layer).c_str());
  });
  hooks.on_forward(braid::of_type("BatchNorm3d"), [](const braid::HookVisit&) {});
}
