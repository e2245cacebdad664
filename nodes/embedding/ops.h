// The operations of Embedding:
//   embedding       tokens, w -> y
//   embedding_grad  tokens, g -> dw   attribute rows: of w
// A token outside the rows fails the step.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_embedding_ops(Registry& registry);
void register_embedding_kernels(Registry& registry);
void register_embedding_reference(Registry& registry);

}  // namespace braid
