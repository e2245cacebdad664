// The reference page of a layer, as Markdown that reads well on a terminal, from its definition.
#pragma once
#include <string>

#include <braid/core/registry.h>

namespace braid::cli {

struct RoleName {
  Role role;
  const char* one;
  const char* many;
};
inline constexpr RoleName roles[] = {{Role::layer, "layer", "layers"},
                                     {Role::loss, "loss", "losses"},
                                     {Role::metric, "metric", "metrics"},
                                     {Role::optimizer, "optimizer", "optimizers"}};

const char* kind_name(ParamKind kind);

/// A network file that shows the layer, made from its first sample.
std::string example_of(const LayerDef& def);

std::string page(const LayerDef& def, const Registry& registry);
/// docs/layers.md: all pages, with a list of them.
std::string all_pages(const Registry& registry);

}  // namespace braid::cli
