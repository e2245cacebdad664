// The parts of build(): also used by check(), which needs no gradients.
#pragma once
#include <braid/compiler/compile.h>

namespace braid {

/// The help for a type that does not exist: what was meant; else all names where they are few.
std::string help_for_unknown(const std::string& typed, const std::vector<std::string>& names);
/// Adds all layers, losses, metrics and outputs; returns each item's call (-1 = it failed).
std::vector<int> forward(const Model& model, Builder& builder, const CompileOptions& options,
                         Diagnostics& found);
/// Walks the calls backwards. Refuses a layer without a gradient where one is needed.
void differentiate(Builder& builder, Diagnostics& found, const std::vector<HookSpec>& hooks = {});
/// The type of the optimizer and its own parameters: what can be checked without a graph.
void check_optimizer(const Model& model, const Registry& registry, Diagnostics& found);
void optimize(const Model& model, Builder& builder, Diagnostics& found);

/// One input `grad:<output>` for each floating result so far, which seeds its gradient.
void seed_gradients(Builder& builder);
/// Results `grad:...` for the first `inputs` inputs and the trainable parameters that a gradient
/// reaches.
void add_gradient_results(Builder& builder, int inputs);

}  // namespace braid
