#include <braid/runtime/plugin.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>

#include <braid/nodes/builtin.h>
#include <braid/plugin.h>

#include "posix/library.h"

namespace braid {
namespace {

namespace fs = std::filesystem;

constexpr const char* how = "docs/plugins.md shows one that works, and how it is built";

[[noreturn]] void refuse(const PluginDecl& plugin, const char* code, const std::string& why,
                         const std::string& help) {
  throw Error(Fault::model, code, "plug-in '" + plugin.path + "': " + why, plugin.mark).help(help);
}

std::vector<fs::path> folders(const fs::path& own) {
  std::vector<fs::path> all{own};
  const char* more = std::getenv("BRAID_PLUGIN_PATH");
  std::istringstream list(more ? more : "");
  for (std::string folder; std::getline(list, folder, ':');)
    if (!folder.empty()) all.emplace_back(folder);
  return all;
}

// Never a bare name, which the loader would seek among the system's libraries.
std::string find(const PluginDecl& plugin, const fs::path& folder) {
  std::vector<std::string> tried;
  for (auto& place : folders(folder)) {
    const fs::path file = fs::absolute(place / plugin.path);
    std::error_code error;
    if (fs::exists(file, error)) return fs::weakly_canonical(file).string();
    if (std::ranges::find(tried, file.string()) == tried.end()) tried.push_back(file.string());
  }
  Diagnostic d{.code = "E0121",
               .message = "plug-in '" + plugin.path + "': there is no such file",
               .mark = plugin.mark};
  for (auto& file : tried) d.note({}, "tried " + file);
  d.help("the path is relative to the folder of the network file; BRAID_PLUGIN_PATH adds folders");
  throw Error(Fault::model, {std::move(d)});
}

template <class Function>
Function symbol(Library& library, const char* name) {
  return reinterpret_cast<Function>(library.symbol(name));
}

/// A library of ours: it stays loaded.
Library open(const PluginDecl& plugin, const std::string& file) {
  std::string why;
  Library library(file, why);
  if (!library) refuse(plugin, "E0122", "it cannot be loaded: " + why, how);
  auto abi = symbol<const char* (*)()>(library, "braid_plugin_abi");
  if (!abi || !library.symbol("braid_plugin_register"))
    refuse(plugin, "E0123",
           std::string("it has no '") + (abi ? "braid_plugin_register" : "braid_plugin_abi") +
               "': it is no plug-in of Braid",
           how);
  const std::string theirs = abi(), ours = plugin_abi();
  if (theirs != ours) {
    Diagnostic d{.code = "E0124",
                 .message = "plug-in '" + plugin.path + "' was built for another Braid or compiler",
                 .mark = plugin.mark};
    d.note({}, "it is      " + theirs);
    d.note({}, "this is    " + ours);
    d.help("build it anew with the compiler and the headers of this Braid");
    throw Error(Fault::model, {std::move(d)});
  }
  library.keep();
  return library;
}

// Found here, or it would end a run much later.
void check_complete(const Registry& brought) {
  for (Role role : {Role::layer, Role::loss, Role::metric, Role::optimizer})
    for (auto& name : brought.layers(role)) {
      auto& def = *brought.layer(name);
      const bool updates = role == Role::optimizer;
      if (name.empty()) throw Error(Fault::model, "E0126", "it defines a type without a name");
      if (updates ? !def.update : !def.forward)
        throw Error(Fault::model, "E0126",
                    "its type '" + name + "' has no " + (updates ? "update" : "forward"));
    }
  for (auto& name : brought.ops())
    if (!brought.op(name)->infer)
      throw Error(Fault::model, "E0126", "its operation '" + name + "' has no infer");
}

void add(const PluginDecl& plugin, const fs::path& folder, Registry& registry, Hooks* hooks) {
  const std::string file = find(plugin, folder);
  if (std::ranges::find(registry.libraries(), file) != registry.libraries().end()) return;
  Library library = open(plugin, file);
  Registry brought;
  Hooks bound;
  try {
    symbol<void (*)(Registry&)>(library, "braid_plugin_register")(brought);
    check_complete(brought);
    auto bind = symbol<void (*)(Hooks&)>(library, "braid_plugin_hooks");
    if (bind && hooks) bind(bound);
    registry.merge(brought);
  } catch (const Error& e) {
    auto& first = e.diagnostics().front();
    const bool ours = first.code == "E0125" || first.code == "E0126";
    refuse(plugin, ours ? first.code.c_str() : "E0126",
           ours ? first.message : "it failed: " + first.message,
           first.helps.empty() ? how : first.helps);
  } catch (const std::exception& e) {
    refuse(plugin, "E0126", std::string("it failed: ") + e.what(), how);
  } catch (...) {
    refuse(plugin, "E0126", "it failed: an exception that is no std::exception", how);
  }
  registry.loaded(file);
  if (hooks) *hooks = bound.made_optional().append(*hooks);
}

}  // namespace

void load_plugins(const Model& model, Registry& registry, Hooks* hooks) {
  Diagnostics found;
  for (auto& plugin : model.plugins) try {
      add(plugin, model.folder.empty() ? "." : model.folder, registry, hooks);
    } catch (const Error& error) {
      found.add(error);
    }
  found.raise();
}

void load_plugin(const std::string& path, Registry& registry, Hooks* hooks) {
  add({.path = path}, ".", registry, hooks);
}

Registry registry_of(const Model& model, Hooks* hooks) {
  Registry registry;
  register_builtin(registry);
  load_plugins(model, registry, hooks);
  return registry;
}

}  // namespace braid
