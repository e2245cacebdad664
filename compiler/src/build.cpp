// Layers to operations: forward, its gradients, the updates.
#include "build.h"

#include "hooks.h"

namespace braid {

Graph build(const Model& model, const Registry& registry, const CompileOptions& options,
            Diagnostics& found) {
  Graph graph;
  Builder b(graph, registry, options.mode);
  size_t before = found.errors();
  if (options.mode == Mode::train && !model.eval_only.empty())
    found.error("E0293", model.mark, "'" + model.name + "' cannot be trained: " + model.eval_only)
        .help("train the network as it was before, and fold it again afterwards");
  forward(model, b, options, found);
  if (found.errors() > before) return graph;
  // A phase may leave out the layers that a hook is for.
  if (options.mode == Mode::train && model.update.empty()) check_stats_hooks(graph, options.hooks);
  if (options.goal == Goal::forward) return graph;
  if (options.goal == Goal::backward) {
    seed_gradients(b);
    differentiate(b, found, options.hooks);
    add_gradient_results(b, int(model.inputs.size()));
  } else if (options.mode == Mode::train) {
    differentiate(b, found, options.hooks);
    add_step_hooks(b, options.hooks);
    optimize(model, b, found);
  }
  return graph;
}

}  // namespace braid
