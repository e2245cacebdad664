// The parts of build(): also used by check(), which needs no gradients.
#pragma once
#include <braid/compiler/compile.h>

namespace braid {

/// Adds all layers, losses, metrics and outputs; returns each item's call (-1 = it failed).
std::vector<int> forward(const Model& model, Builder& builder, const CompileOptions& options,
                         Diagnostics& found);
void differentiate(Builder& builder);
void optimize(const Model& model, Builder& builder, Diagnostics& found);

}  // namespace braid
