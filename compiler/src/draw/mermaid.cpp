#include <algorithm>
#include <map>

#include "sketch.h"

namespace braid {
namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '"':
        out += "#quot;";
        break;
      case '#':
        out += "#35;";
        break;
      case '<':
        out += "#lt;";
        break;
      case '>':
        out += "#gt;";
        break;
      case '\n':
        out += ' ';
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string label(const std::vector<std::string>& lines) {
  std::string out = "\"";
  for (size_t i = 0; i < lines.size(); ++i) out += (i ? "<br/>" : "") + escaped(lines[i]);
  return out + "\"";
}

std::string shaped(const Picture::Node& node) {
  auto text = label(node.text);
  switch (node.kind) {
    case Picture::Kind::input:
    case Picture::Kind::output:
      return "[/" + text + "/]";
    case Picture::Kind::term:
      return "([" + text + "])";
    case Picture::Kind::sync:
      return "{{" + text + "}}";
    case Picture::Kind::callback:
      return ">" + text + "]";
    case Picture::Kind::layer:
    case Picture::Kind::common:
      break;
  }
  return "[" + text + "]";
}

// Nodes of one group become one, in the innermost frame around all of them; nodes without a group
// of this level stay.
class Grouping {
 public:
  Grouping(const Picture& picture, size_t level) : p_(picture), level_(level) {
    for (auto& node : p_.nodes) {
      if (node.groups.size() <= level_) continue;
      auto [entry, fresh] = members_.try_emplace(node.groups[level_], Group{0, node.cluster});
      ++entry->second.members;
      entry->second.cluster = common(entry->second.cluster, node.cluster);
    }
  }

  Picture draw() {
    for (auto& c : p_.clusters) {
      clusters_.push_back(sketch_.cluster(c.id, c.text, at(c.parent)));
      sketch_.frame(clusters_.back()).callback = c.callback;
    }
    std::vector<int> place;
    for (auto& node : p_.nodes) place.push_back(this->place(node));
    for (auto& e : p_.edges)
      sketch_.edge(place[size_t(e.from)], place[size_t(e.to)], e.text, e.sync);
    return std::move(sketch_).finish(p_.title);
  }

 private:
  struct Group {
    int members = 0;
    int cluster = -1;
    int node = -1;
  };

  int at(int cluster) const { return cluster < 0 ? -1 : clusters_[size_t(cluster)]; }

  // A frame has a larger index than the one around it.
  int common(int a, int b) const {
    while (a != b) (a > b ? a : b) = p_.clusters[size_t(std::max(a, b))].parent;
    return a;
  }

  int place(const Picture::Node& node) {
    Group alone{1, node.cluster};
    auto& group = node.groups.size() > level_ ? members_.at(node.groups[level_]) : alone;
    if (group.node >= 0) return group.node;
    auto text = node.text;
    if (group.members > 1) text = {node.groups[level_], std::to_string(group.members) + " nodes"};
    group.node = sketch_.node(group.members > 1 ? text[0] : node.id, text, node.kind,
                              at(group.cluster), node.groups);
    if (group.members == 1) sketch_.at(group.node).callbacks = node.callbacks;
    return group.node;
  }

  const Picture& p_;
  size_t level_;
  Sketch sketch_;
  std::vector<int> clusters_;
  std::map<std::string, Group> members_;
};

Picture at_most(const Picture& picture, size_t most) {
  size_t levels = 0;
  for (auto& node : picture.nodes) levels = std::max(levels, node.groups.size());
  Picture smaller = picture;
  for (size_t level = 0; level < levels && smaller.nodes.size() > most; ++level)
    smaller = Grouping(picture, level).draw();
  return smaller;
}

class Mermaid {
 public:
  explicit Mermaid(const Picture& picture) : p_(picture) {}

  std::string text() {
    out_ = "---\ntitle: \"" + escaped(p_.title) + "\"\n---\nflowchart TB\n";
    inside(-1, "  ");
    for (auto& edge : p_.edges) {
      std::string arrow = edge.sync ? " -.-> " : " --> ";
      if (!edge.text.empty()) arrow += "|\"" + escaped(edge.text) + "\"| ";
      out_ += "  " + p_.nodes[size_t(edge.from)].id + arrow + p_.nodes[size_t(edge.to)].id + "\n";
    }
    mark_callbacks();
    return out_;
  }

 private:
  void inside(int cluster, const std::string& indent) {
    for (auto& node : p_.nodes)
      if (node.cluster == cluster) out_ += indent + node.id + shaped(node) + "\n";
    for (size_t i = 0; i < p_.clusters.size(); ++i) {
      auto& c = p_.clusters[i];
      if (c.parent != cluster || !used(int(i))) continue;
      out_ += indent + "subgraph " + c.id + " [\"" + escaped(c.text) + "\"]\n";
      inside(int(i), indent + "  ");
      out_ += indent + "end\n";
    }
  }

  // Where a function of the user's program is called.
  void mark_callbacks() {
    std::string marked;
    for (auto& node : p_.nodes)
      if (!node.callbacks.empty()) marked += (marked.empty() ? "" : ",") + node.id;
    for (size_t i = 0; i < p_.clusters.size(); ++i)
      if (p_.clusters[i].callback && used(int(i)))
        marked += (marked.empty() ? "" : ",") + p_.clusters[i].id;
    if (marked.empty()) return;
    out_ += "  classDef called stroke:#7d4fc4,stroke-width:3px\n  class " + marked + " called\n";
  }

  // A frame without nodes would be drawn as a node.
  bool used(int cluster) const {
    for (auto& node : p_.nodes)
      for (int c = node.cluster; c >= 0; c = p_.clusters[size_t(c)].parent)
        if (c == cluster) return true;
    return false;
  }

  const Picture& p_;
  std::string out_;
};

}  // namespace

std::string to_mermaid(const Picture& picture, size_t most) {
  return Mermaid(at_most(picture, most)).text();
}

}  // namespace braid
