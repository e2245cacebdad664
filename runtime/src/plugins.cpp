#include <braid/runtime/plugin.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>

#include <braid/compiler/positions.h>
#include <braid/plugin.h>
#include <braid/runtime/builtin_stages.h>

#include "posix/library.h"

namespace braid {
namespace {

namespace fs = std::filesystem;

constexpr Role every_role[] = {Role::layer, Role::loss, Role::metric, Role::optimizer};
constexpr const char* how = "docs/plugins.md shows one that works, and how it is built";

[[noreturn]] void refuse(const std::string& plugin, const char* code, const std::string& why,
                         const std::string& help) {
  throw Error(Fault::model, code, "plug-in '" + plugin + "': " + why).help(help);
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
std::string find(const std::string& plugin, const std::string& folder) {
  std::vector<std::string> tried;
  for (auto& place : folders(folder)) {
    const fs::path file = fs::absolute(place / plugin);
    std::error_code error;
    if (fs::exists(file, error)) return fs::weakly_canonical(file).string();
    if (std::ranges::find(tried, file.string()) == tried.end()) tried.push_back(file.string());
  }
  Diagnostic d{.code = "E0121", .message = "plug-in '" + plugin + "': there is no such file"};
  for (auto& file : tried) d.note({}, "tried " + file);
  d.help("the path is relative to the folder of the network file; BRAID_PLUGIN_PATH adds folders");
  throw Error(Fault::model, {std::move(d)});
}

template <class Function>
Function symbol(const Library& library, const char* name) {
  return reinterpret_cast<Function>(library.symbol(name));
}

void compare(const std::string& plugin, const std::string& theirs, const std::string& ours) {
  if (theirs == ours) return;
  Diagnostic d{.code = "E0124",
               .message = "plug-in '" + plugin + "' was built for another Braid or compiler"};
  d.note({}, "it is      " + theirs);
  d.note({}, "this is    " + ours);
  d.help("build it anew with the compiler and the headers of this Braid");
  throw Error(Fault::model, {std::move(d)});
}

/// A library of ours: it stays loaded.
Library open(const std::string& plugin, const std::string& file) {
  std::string why;
  Library library(file, why);
  if (!library) refuse(plugin, "E0122", "it cannot be loaded: " + why, how);
  auto abi = symbol<const char* (*)()>(library, "braid_plugin_abi");
  if (!abi || !library.symbol("braid_plugin_register"))
    refuse(plugin, "E0123",
           std::string("it has no '") + (abi ? "braid_plugin_register" : "braid_plugin_abi") +
               "': it is no plug-in of Braid",
           how);
  compare(plugin, abi(), plugin_abi());
  if (auto of_stages = symbol<const char* (*)()>(library, "braid_plugin_stages_abi"))
    compare(plugin, of_stages(), stages_abi());
  library.keep();
  return library;
}

// Found here, or it would end a run much later.
void check_complete(const Registry& brought) {
  for (Role role : every_role)
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

[[noreturn]] void refuse_taken(const std::string& what) {
  throw Error(Fault::model, "E0125", "it defines the " + what + ", which exists already")
      .help("give it a name of its own; a prefix of yours keeps it apart");
}

// What a plug-in names must be new: it cannot change what a network means that is there already.
void check_new(const Registry& brought, const Registry& registry) {
  for (Role role : every_role)
    for (auto& name : brought.layers(role))
      if (registry.layer(name)) refuse_taken("type '" + name + "'");
  for (auto& name : brought.ops())
    if (registry.op(name)) refuse_taken("operation '" + name + "'");
}

void check_new(const Stages& brought, const Stages& stages) {
  const Stages builtin = builtin_stages({});
  for (int k = 0; k <= int(StageKind::sink); ++k) {
    const auto kind = StageKind(k);
    for (auto& name : brought.names(kind))
      if (stages.find(kind, name) || builtin.find(kind, name))
        refuse_taken("callable '" + name + "'");
  }
}

// Its own function fills an empty registry first, so that nothing is added unless all is well.
void add(const std::string& plugin, const std::string& file, Registry& registry, Hooks& hooks,
         Stages* stages) {
  const Library library = open(plugin, file);
  auto fill = symbol<void (*)(Registry&)>(library, "braid_plugin_register");
  auto bind = symbol<void (*)(Hooks&)>(library, "braid_plugin_hooks");
  auto bring = symbol<void (*)(Stages&)>(library, "braid_plugin_stages");
  try {
    Registry brought, all = registry;
    fill(brought);
    check_complete(brought);
    check_new(brought, registry);
    fill(all);
    Hooks bound = hooks;
    if (bind) bind(bound);
    Stages callables;
    if (bring && stages) {
      bring(callables);
      check_new(callables, *stages);
      stages->add(callables);
    }
    registry = std::move(all);
    hooks = std::move(bound);
  } catch (const Error& e) {
    auto& first = e.diagnostics().front();
    const bool ours = first.code == "E0125" || first.code == "E0126";
    refuse(plugin, ours ? first.code.c_str() : "E0126", (ours ? "" : "it failed: ") + first.message,
           first.helps.empty() ? how : first.helps);
  } catch (const std::exception& e) {
    refuse(plugin, "E0126", std::string("it failed: ") + e.what(), how);
  } catch (...) {
    refuse(plugin, "E0126", "it failed: an exception that is no std::exception", how);
  }
}

}  // namespace

void load_plugin(const std::string& path, Registry& registry, Hooks& hooks,
                 const std::string& folder, Stages* stages) {
  add(path, find(path, folder), registry, hooks, stages);
}

std::function<void(const std::string&, const std::string&)> plugin_loader(Registry& registry,
                                                                          Hooks& hooks,
                                                                          Stages* stages) {
  return [&registry, &hooks, stages, loaded = std::set<std::string>()](
             const std::string& path, const std::string& folder) mutable {
    const std::string file = find(path, folder);
    if (loaded.insert(file).second) add(path, file, registry, hooks, stages);
  };
}

Hooks with_plugin_hooks(const Model& model, const Hooks& of_plugins, const Hooks& own) {
  Hooks all = of_plugins.only([&](const HookSpec& spec) {
    try {
      check_hooks(model, {spec});
      return true;
    } catch (const Error&) {  // no such layer or name in this model
      return false;
    }
  });
  return all.append(own);
}

}  // namespace braid
