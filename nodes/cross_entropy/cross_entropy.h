// Three operations: "xent" (probabilities and the sum of losses), "xent_count" (targets that are
// not ignored) and "xent_grad". The count is fed by targets only, so that no backward pass has to
// wait for every replica's forward pass.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_cross_entropy(Registry&);
void register_cross_entropy_kernels(Registry&);
void register_cross_entropy_references(Registry&);

/// The distribution that a target stands for: 1 - smoothing + smoothing / C on its own class and
/// smoothing / C on the others.
struct Smoothing {
  double own, each;
  Smoothing(const Dict& attrs, int64_t classes)
      : own(1 - get_double(attrs, "label_smoothing")),
        each(get_double(attrs, "label_smoothing") / double(classes)) {}
};

/// Counts targets that are not ignored; the same on every kind of device.
KernelBody make_xent_count(const Signature&);

}  // namespace braid
