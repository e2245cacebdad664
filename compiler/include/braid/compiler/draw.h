// Pictures of networks and plans, for Graphviz and for Mermaid (which GitHub and many editors
// show).
//
//   std::ofstream("net.dot") << to_dot(draw_network(model, check(model, registry, found)));
//   std::ofstream("net.md") << to_mermaid(draw_replicas(plan));
//
// Equal input gives equal text, and the ids follow from names, so that pictures can be diffed.
#pragma once
#include <string>
#include <vector>

#include <braid/compiler/compile.h>

namespace braid {

struct Picture {
  enum class Kind { input, layer, term, output, sync, common, callback };
  struct Node {
    std::string id;
    std::vector<std::string> text;  ///< lines
    Kind kind = Kind::layer;
    int cluster = -1;
    /// What the node may be drawn as part of, from small to large, when there are too many.
    std::vector<std::string> groups = {};
  };
  struct Edge {
    int from, to;  ///< nodes
    std::string text = {};
    bool sync = false;
    auto operator<=>(const Edge&) const = default;
  };
  struct Cluster {
    std::string id, text;
    int parent = -1;
  };
  std::string title;
  std::vector<Node> nodes;
  std::vector<Edge> edges;
  std::vector<Cluster> clusters;
};

/// The network as it was typed: inputs, layers with shapes and parameters, blocks as frames,
/// losses, metrics, outputs; what on_replicate calls is named in its layer or frame.
Picture draw_network(const Model& model, const Summary& summary);

/// The expanded program where it runs: frames are devices and replicas, hexagons are
/// synchronization points, with the bytes that each participant hands in. Hooks are drawn where
/// they are called; those of on_replicate form one chain, replica after replica.
Picture draw_replicas(const Plan& plan, bool backward = false);

std::string to_dot(const Picture& picture);
/// Browsers draw a few hundred nodes at most: above `most`, nodes are drawn as part of their layer,
/// their block or their replica.
std::string to_mermaid(const Picture& picture, size_t most = 200);

}  // namespace braid
