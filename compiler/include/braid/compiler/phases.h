// Phases: several optimizers take turns over one State, once per batch and in the order of the
// file.
//
//   Model d = in_phase(model, registry, 0, {});    // its losses, its optimizer, what it updates
//   Model g = in_phase(model, registry, 1, {0});   // behind phase 0 on the same batch
//
// A phase is an ordinary network. Layers that its losses do not need are idle. Only what it updates
// gets gradients. Of two phases that would run a layer on the same batch, with weights that nothing
// has changed in between, the first one writes its running statistics: the second computes the same
// bits again.
#pragma once
#include <vector>

#include <braid/core/error.h>
#include <braid/core/registry.h>

namespace braid {

/// Phase `index` of a network in which the phases `ran` came before it.
Model in_phase(const Model& model, const Registry& registry, int index,
               const std::vector<int>& ran);

/// Patterns of `update` that match no parameter, and parameters that two phases update.
void check_phases(const Model& model, const std::vector<StateVar>& states, Diagnostics& found);

}  // namespace braid
