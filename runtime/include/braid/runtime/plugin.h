// Plug-ins: shared libraries that bring layers and hooks (braid/plugin.h says how one is written).
//
//   Registry registry;
//   register_builtin(registry);
//   Hooks hooks;
//   load_plugin("./libmine.so", registry, hooks);
//   Session session(std::move(model), {.hooks = hooks}, registry);
//
// Session::open loads those that the file names.
#pragma once
#include <functional>
#include <string>

#include <braid/core/model.h>
#include <braid/core/registry.h>
#include <braid/runtime/hooks.h>

namespace braid {

class Stages;

/// Adds what a library defines to the registry, what it binds to the hooks and, where `stages` are
/// given, the callables of pipelines that it brings. A relative path is
/// sought in `folder`, then in those of the environment variable BRAID_PLUGIN_PATH (separated by
/// colons), and nowhere else. Throws Error(model), E0121 to E0126, and adds nothing then: for a
/// file that is missing, no shared library, no plug-in, built for another Braid or compiler, one
/// that defines what exists already, or whose own code fails.
void load_plugin(const std::string& path, Registry& registry, Hooks& hooks,
                 const std::string& folder = ".", Stages* stages = nullptr);

/// For ReadOptions::load_plugin; what it fills must live as long as it. A library that a file names
/// twice is loaded once.
std::function<void(const std::string& path, const std::string& folder)> plugin_loader(
    Registry& registry, Hooks& hooks, Stages* stages = nullptr);

/// Hooks of plug-ins that the model has a name, a layer or a type for, and all of `own`, which win
/// where both bind a name.
Hooks with_plugin_hooks(const Model& model, const Hooks& of_plugins, const Hooks& own);

}  // namespace braid
