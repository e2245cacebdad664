// Plug-ins: shared libraries that bring layers and hooks (braid/plugin.h says how one is written).
//
//   Registry registry = registry_of(model);       // what comes with Braid, and the model's
//   plug-ins load_plugin("./libmine.so", registry);        // one more
//
// A Session loads the plug-ins of its model by itself.
#pragma once
#include <string>

#include <braid/core/model.h>
#include <braid/core/registry.h>
#include <braid/runtime/hooks.h>

namespace braid {

/// What comes with Braid, and what the model's plug-ins bring.
Registry registry_of(const Model& model, Hooks* hooks = nullptr);

/// Adds what the model's plug-ins define, those left out that the registry has loaded. A relative
/// path is sought in the folder of the model's file, then in those of the environment variable
/// BRAID_PLUGIN_PATH (separated by colons), and nowhere else. Hooks are put in front of those in
/// `hooks`, which so win where both bind a name. Throws Error(model) with an error at each entry
/// that cannot be loaded: E0121 to E0126.
void load_plugins(const Model& model, Registry& registry, Hooks* hooks = nullptr);

/// One library, sought from the working directory; null `hooks`: those that it brings are left out.
void load_plugin(const std::string& path, Registry& registry, Hooks* hooks = nullptr);

}  // namespace braid
