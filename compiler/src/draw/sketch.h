// Builds a Picture: ids that are made of names, unique and plain enough for every format.
#pragma once
#include <braid/compiler/draw.h>

#include <map>
#include <set>

namespace braid {

class Sketch {
 public:
  int node(const std::string& name, std::vector<std::string> text, Picture::Kind kind, int cluster,
           std::vector<std::string> groups = {});
  /// A node that says more of itself: its id is made of `name`, its text and kind are given.
  int node(const std::string& name, Picture::Node node);
  /// The cluster with this name, made when it is new.
  int cluster(const std::string& name, const std::string& text, int parent);
  Picture::Node& at(int node) { return picture_.nodes[size_t(node)]; }
  Picture::Cluster& frame(int cluster) { return picture_.clusters[size_t(cluster)]; }
  /// Equal edges are drawn once.
  void edge(int from, int to, std::string text = {}, bool sync = false);
  Picture finish(std::string title) &&;

 private:
  std::string id_for(const std::string& name);
  Picture picture_;
  std::set<std::string> ids_;
  std::map<std::string, int> clusters_;
  std::set<Picture::Edge> edges_;
};

/// File, line, column, and the chain that brought it there.
void place(Picture::Node& node, const Mark& mark);

/// 5760 -> "5.6 KiB"
std::string short_bytes(int64_t bytes);

}  // namespace braid
