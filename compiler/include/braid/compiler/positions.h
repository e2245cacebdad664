// The modules of a network in the order in which the replication callbacks walk them: the root,
// then every container and layer as it is entered (pre-order), each once: a second call of a layer
// (`share`) is the same module.
//
//   for (auto& at : positions(model)) at.path, at.type, at.on_replicate;
#pragma once
#include <string>
#include <vector>

#include <braid/core/hook.h>
#include <braid/core/model.h>

namespace braid {

struct Position {
  std::string path;  ///< "" = the root
  std::string type;  ///< of a layer; a container's block or "Sequential"; the root's is "Model"
  int layer = -1;    ///< index into Model::layers, -1 for containers and the root
  std::string on_replicate = {};  ///< what the file calls here
  Mark mark = {};
};

std::vector<Position> positions(const Model& model);

/// Whether a hook that is bound by path or type is meant for this layer or container.
bool matches(const HookSpec& spec, const std::string& path, const std::string& type);

/// The on_replicate hooks of one replica, in the order in which they are called: by position, and
/// at one position in the order of `specs`. Throws Error(model, "E0423") at the line of an
/// `on_replicate: name` that no spec answers to.
std::vector<HookPoint> replication_points(const Model& model, const std::vector<HookSpec>& specs);

/// Throws Error(model, "E0423") at a Callback layer whose name no spec answers to.
void check_callbacks(const Model& model, const std::vector<HookSpec>& specs);

/// Throws Error(usage, "E0424") at the call that bound a hook whose layer, type or name is nowhere
/// in the model, with the nearest one that is.
void check_hooks(const Model& model, const std::vector<HookSpec>& specs);

}  // namespace braid
