#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_gelu(Registry&);
void register_gelu_references(Registry&);

inline bool by_tanh(const Dict& attrs) { return get_text(attrs, "approximate") == "tanh"; }

}  // namespace braid
