// What passes over a Model ask about its layers.
#pragma once
#include <braid/core/registry.h>

namespace braid {

/// Throws Error(model, "E0103") for a type that the registry lacks.
const LayerDef& definition(const LayerItem& item, const Registry& registry);

/// The layer whose parameters this use has: itself, unless it is shared.
const LayerItem& owner(const Model& model, const LayerItem& item);

}  // namespace braid
