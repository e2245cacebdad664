// OpDef: what graphs are made of. An operation has a type rule, may write state, and says how its
// result is merged over replicas when it loses the batch dimension. It has no gradient: gradients
// belong to layers (see layer.h).
//
//   registry.add(OpDef{.name = "relu", .infer = same_type});
//   registry.add(OpDef{.name = "moments", .infer = moments_type, .merge = "chan"});
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <braid/core/attr.h>
#include <braid/core/type.h>

namespace braid {

struct OpDef {
  std::string name;
  /// Types of the results. Throws Error (see Builder::fail for layers) when the inputs do not fit.
  std::function<std::vector<Type>(const Dict& attrs, std::span<const Type> in)> infer;
  /// How partial results of replicas are merged: the operation "merge_" + merge, a binary function
  /// merge(left, right). It must be named when an output loses N while an input has it.
  std::string merge = {};
  /// Linear in all its inputs taken together (add, scale): partial inputs give a partial result.
  bool linear = false;
  /// Inputs that are State and are written in place. Such an operation runs behind the commit gate
  /// and its kernels must be infallible.
  std::vector<int> writes = {};
  /// Acts on the world outside (a hook): it is kept though nobody needs its results, it runs once,
  /// and it has no kernel.
  bool effect = false;
};

/// The type rule of operations whose only result has the type of the first input.
std::vector<Type> same_type(const Dict& attrs, std::span<const Type> in);

}  // namespace braid
