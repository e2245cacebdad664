// What the source of a plug-in includes: a shared library that brings layers, losses, metrics,
// optimizers and kernels, and may bring hooks and callables of pipelines.
//
//   #include <braid/plugin.h>
//
//   BRAID_PLUGIN(registry) {
//     registry.add(braid::OpDef{.name = "mine_swish", .infer = braid::same_type});
//     registry.add(braid::plain_kernel("mine_swish", "cpu", ...));
//     registry.add(braid::LayerDef{.name = "MineSwish", ...});
//   }
//
//   #include <braid/runtime/hooks.h>
//   BRAID_PLUGIN_HOOKS(hooks) { hooks.bind("watch", [](const braid::HookVisit& v) { ... }); }
//
//   #include <braid/runtime/stages.h>
//   BRAID_PLUGIN_STAGES(stages) { stages.map("shrink", [](braid::Record item) { ... }); }
//
// Whoever loads it asks for its ABI string first, which is plain C, and hands over no C++ object
// unless it is the loader's own. The registry that it is given is empty: what it names must be
// new. A plug-in stays loaded until the process ends, since kernels, errors and hooks of its own
// may live anywhere by then; a file that was built anew is taken up by a new process.
#pragma once
#include <string>

#include <braid/core/registry.h>
#include <braid/core/version.h>

namespace braid {

class Hooks;

/// Of the code that asks: version, compiler, standard library, and the sizes of what crosses.
inline std::string plugin_abi() {
  std::string text =
      "braid " + std::to_string(BRAID_VERSION_MAJOR) + "." + std::to_string(BRAID_VERSION_MINOR) +
      "." + std::to_string(BRAID_VERSION_PATCH) + ", g++ abi " + std::to_string(__GXX_ABI_VERSION) +
      ", libstdc++ abi " + std::to_string(_GLIBCXX_USE_CXX11_ABI) + ", layout";
  for (size_t size : {sizeof(Registry), sizeof(LayerDef), sizeof(OpDef), sizeof(Kernel),
                      sizeof(Offer), sizeof(Signature), sizeof(KernelArgs), sizeof(Attr),
                      sizeof(Builder), sizeof(Call), sizeof(Graph), sizeof(Error)})
    text += " " + std::to_string(size);
  return text;
}

}  // namespace braid

#define BRAID_PLUGIN_EXPORT extern "C" __attribute__((visibility("default")))

/// The body of the function that fills `registry`. It may throw: then nothing is added.
#define BRAID_PLUGIN(registry)                                                                   \
  static void braid_plugin_fill(::braid::Registry&);                                             \
  BRAID_PLUGIN_EXPORT const char* braid_plugin_abi() {                                           \
    static const std::string text = ::braid::plugin_abi();                                       \
    return text.c_str();                                                                         \
  }                                                                                              \
  BRAID_PLUGIN_EXPORT void braid_plugin_register(::braid::Registry& r) { braid_plugin_fill(r); } \
  static void braid_plugin_fill([[maybe_unused]] ::braid::Registry& registry)

/// The same for hooks, beside BRAID_PLUGIN. Those that a network does not call are left out.
#define BRAID_PLUGIN_HOOKS(hooks)                                                          \
  static void braid_plugin_bind(::braid::Hooks&);                                          \
  BRAID_PLUGIN_EXPORT void braid_plugin_hooks(::braid::Hooks& h) { braid_plugin_bind(h); } \
  static void braid_plugin_bind(::braid::Hooks& hooks)

/// The same for callables of pipelines, with <braid/runtime/stages.h>. What it names must be new.
#define BRAID_PLUGIN_STAGES(stages)                                                           \
  static void braid_plugin_bring(::braid::Stages&);                                           \
  BRAID_PLUGIN_EXPORT const char* braid_plugin_stages_abi() {                                 \
    static const std::string text = ::braid::stages_abi();                                    \
    return text.c_str();                                                                      \
  }                                                                                           \
  BRAID_PLUGIN_EXPORT void braid_plugin_stages(::braid::Stages& s) { braid_plugin_bring(s); } \
  static void braid_plugin_bring(::braid::Stages& stages)
