// Pictures of networks and plans. A Picture is plain data, and lossless as JSON; from it every
// format is made: DOT for Graphviz, Mermaid (which GitHub and many editors show), one page of HTML.
//
//   Picture net = draw_network(model, check(model, registry, found), registry);
//   std::ofstream("net.dot") << to_dot(net);
//   std::ofstream("net.html") << to_html({net, draw_replicas(plan)});
//   read_pictures(to_json({net})) == std::vector{net};
//
// Equal input gives equal text, and the ids follow from names, so that pictures can be diffed.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <braid/compiler/compile.h>

namespace braid {

struct Picture {
  enum class View { network, replicas, pipeline };
  enum class Kind { input, layer, term, output, sync, common, callback };

  /// What a synchronization point does.
  struct Merge {
    std::string how;          ///< "sum", "chan"
    int values = 0;           ///< that travel together
    int64_t bytes = 0;        ///< that each participant hands in
    int first = 0, last = 0;  ///< the replicas [first, last)
    std::string tree;         ///< what is merged with what: "((0 1) (2 3))"
    bool operator==(const Merge&) const = default;
  };
  struct Node {
    std::string id;
    std::vector<std::string> text;  ///< lines
    Kind kind = Kind::layer;
    int cluster = -1;
    /// What the node may be drawn as part of, from small to large, when there are too many.
    std::vector<std::string> groups = {};

    std::string layer = {};  ///< its path in the network
    std::string type = {};   ///< of the layer, loss or metric; of replicas: the operation
    std::string file = {};   ///< where it was typed; "" = nowhere
    int line = 0, column = 0;
    std::vector<std::string> via = {};  ///< blocks, repeats and includes, the innermost first
    std::vector<std::pair<std::string, std::string>> arguments = {};  ///< as they were typed
    std::vector<std::string> inputs = {}, outputs = {};               ///< types
    int64_t parameters = 0;
    int64_t bytes = 0;  ///< of its outputs; of a network: for one sample
    int64_t flops = 0;  ///< of one sample's forward pass
    int replica = -1;   ///< -1 = common to all
    int device = -1;    ///< into Picture::devices
    bool backward = false;
    std::vector<std::string> callbacks = {};  ///< that are called at it
    std::optional<Merge> merge = {};
    double time = 0;  ///< microseconds, of a trace; 0 = not known
    bool operator==(const Node&) const = default;
  };
  struct Edge {
    int from, to;  ///< nodes
    std::string text = {};
    bool sync = false;
    auto operator<=>(const Edge&) const = default;
  };
  struct Cluster {
    std::string id, text;
    int parent = -1;        ///< stands before it
    std::string path = {};  ///< of a block
    std::string type = {};  ///< the block's name
    bool callback = false;  ///< something is called at it
    bool operator==(const Cluster&) const = default;
  };
  /// What the reference says of a type of layer.
  struct About {
    std::string type, doc, formula;
    bool operator==(const About&) const = default;
  };

  std::string title;
  std::vector<Node> nodes = {};
  std::vector<Edge> edges = {};
  std::vector<Cluster> clusters = {};
  View view = View::network;
  int replicas = 0;                       ///< of View::replicas
  std::vector<std::string> devices = {};  ///< of View::replicas
  std::vector<About> types = {};          ///< of View::network
  bool operator==(const Picture&) const = default;
};

std::string_view to_string(Picture::View view);
std::string_view to_string(Picture::Kind kind);

/// The network as it was typed: inputs, layers with shapes and parameters, blocks as frames,
/// losses, metrics, outputs; what on_replicate calls is named in its layer or frame.
Picture draw_network(const Model& model, const Summary& summary, const Registry& registry);

/// The stages of a pipeline, and on its edges the queues; `name` is the file's.
Picture draw_pipeline(const PipelineDecl& pipeline, const std::string& name);

/// The expanded program where it runs: frames are devices and replicas, hexagons are
/// synchronization points, with the bytes that each participant hands in. Hooks are drawn where
/// they are called; those of on_replicate form one chain, replica after replica.
Picture draw_replicas(const Plan& plan, bool backward = false);

std::string to_dot(const Picture& picture);
/// Browsers draw a few hundred nodes at most: above `most`, nodes are drawn as part of their layer,
/// their block or their replica.
std::string to_mermaid(const Picture& picture, size_t most = 200);

/// The version of the JSON, which stands in it: {"braid-graph": 1, "pictures": [...]}.
constexpr int graph_version = 1;
std::string to_json(const std::vector<Picture>& pictures);
/// What to_json wrote, equal to the last field. Anything else throws Error(data, "E0709"), which
/// says where and why; `name` is how the user calls the text.
std::vector<Picture> read_pictures(const std::string& json, const std::string& name = "JSON");
/// The JSON Schema (draft-07) of that JSON.
std::string graph_schema();

/// One page that needs no network: pictures of one network that open, search and zoom.
std::string to_html(const std::vector<Picture>& pictures);

/// Sets the times of nodes from a Chrome trace: complete events ("ph": "X", "dur" in
/// microseconds) whose "args" have "layer", and may have "op" and "replica". Times of one node add
/// up; a node of a network is given those of its layer over all replicas. Returns how many events
/// found a node. Throws Error(data, "E0708") where the text is no such trace.
size_t set_times(std::vector<Picture>& pictures, const std::string& trace,
                 const std::string& name = "trace");

}  // namespace braid
