// What means divide by: how many elements a value has over the whole batch. Found from shapes alone
// and from an input of the network, so that no backward pass waits for every replica's forward
// pass.
#pragma once
#include <braid/core/layer.h>

namespace braid {

/// "count_elements": f64 [1], the elements of `value`, merged over replicas where it has N.
int count_of(Builder& b, int value);

/// What "count_elements" gives for these shapes.
double count_elements(const Signature& signature);

}  // namespace braid
