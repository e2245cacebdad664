// Three operations: "xent" (probabilities and the sum of losses), "xent_count" (targets that are
// not ignored, each by the weight of its class) and "xent_grad". The count is fed by targets only,
// so that no backward pass has to wait for every replica's forward pass.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_cross_entropy(Registry&);
void register_cross_entropy_kernels(Registry&);
void register_cross_entropy_gradient(Registry&);
void register_cross_entropy_references(Registry&);

/// Counts targets that are not ignored; the same on every kind of device.
KernelBody make_xent_count(const Signature&);

}  // namespace braid
