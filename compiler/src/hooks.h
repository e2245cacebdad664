// Where the user's hooks stand in the graph: nodes that see values on their way.
#pragma once
#include <braid/compiler/compile.h>

namespace braid {

/// A hook that only reads; one that may write, whose results go on in place of what it was shown.
const OpDef& observing_hook();
const OpDef& mutating_hook();
inline bool observes(const Node& node) { return node.op && node.op->effect && node.out.empty(); }
/// An on_step hook: it belongs to no layer.
inline bool of_step(const Node& node) { return observes(node) && node.call < 0; }

/// A Callback's own operation, as its layer adds it.
inline bool computes(const Node& node) {
  return node.op && node.op->effect && find(node.attrs, "call");
}
/// Makes hooks of what Callbacks compute; names that nothing answers to become specs of their own.
void bind_callbacks(Graph& graph, std::vector<HookSpec>& specs);

/// By node: hooks that only read, and what is worked out for them alone.
std::vector<bool> find_observers(const Graph& graph);

/// on_forward and on_stats hooks of a call that was just added; fills Call::handed.
void add_forward_hooks(Builder& b, const std::vector<HookSpec>& specs, int call);
/// on_backward hooks that write: returns the gradients of the call's outputs as they go on.
std::vector<int> mutate_gradients(Builder& b, const std::vector<HookSpec>& specs, int call,
                                  std::vector<int> gradients);
/// on_backward hooks that read: the gradients of the call's outputs and of its inputs.
void observe_gradients(Builder& b, const std::vector<HookSpec>& specs, int call,
                       const std::vector<int>& gradients, const std::vector<int>& of_inputs);
/// on_step hooks: losses and metrics, merged.
void add_step_hooks(Builder& b, const std::vector<HookSpec>& specs);
/// Throws Error(usage, "E0425") for an on_stats hook that no batch norm of this program answers to.
void check_stats_hooks(const Graph& graph, const std::vector<HookSpec>& specs);

}  // namespace braid
