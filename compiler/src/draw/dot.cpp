#include "sketch.h"

namespace braid {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + "\"";
}

std::string label(const std::vector<std::string>& lines) {
  std::string out = "\"";
  for (size_t i = 0; i < lines.size(); ++i) {
    auto line = quoted(lines[i]);
    out += (i ? "\\n" : "") + line.substr(1, line.size() - 2);
  }
  return out + "\"";
}

const char* look(Picture::Kind kind) {
  switch (kind) {
    case Picture::Kind::input:
      return "shape=parallelogram, fillcolor=\"#e3f0fb\"";
    case Picture::Kind::layer:
      return "shape=box, style=\"filled,rounded\", fillcolor=\"#ffffff\"";
    case Picture::Kind::term:
      return "shape=ellipse, fillcolor=\"#fbe9e3\"";
    case Picture::Kind::output:
      return "shape=parallelogram, fillcolor=\"#e6f4e3\"";
    case Picture::Kind::sync:
      return "shape=hexagon, fillcolor=\"#fff3c9\"";
    case Picture::Kind::common:
      return "shape=box, fillcolor=\"#ececec\"";
    case Picture::Kind::callback:
      return "shape=cds, fillcolor=\"#eee3fb\"";
  }
  return "";
}

// Where a function of the user's program is called.
constexpr const char* called = ", color=\"#7d4fc4\", penwidth=2.5";

class Dot {
 public:
  explicit Dot(const Picture& picture) : p_(picture) {}

  std::string text() {
    out_ = "digraph braid {\n  label=" + quoted(p_.title) +
           ";\n  labelloc=t;\n  rankdir=TB;\n  fontname=\"sans-serif\";\n"
           "  node [fontname=\"sans-serif\", fontsize=11, style=filled];\n"
           "  edge [fontname=\"sans-serif\", fontsize=9];\n";
    inside(-1, "  ");
    for (auto& edge : p_.edges) {
      out_ += "  " + p_.nodes[size_t(edge.from)].id + " -> " + p_.nodes[size_t(edge.to)].id;
      std::string looks = edge.sync ? "style=dashed, color=\"#b07d00\"" : "";
      if (!edge.text.empty()) looks += (looks.empty() ? "" : ", ") + ("label=" + quoted(edge.text));
      out_ += looks.empty() ? ";\n" : " [" + looks + "];\n";
    }
    return out_ + "}\n";
  }

 private:
  void inside(int cluster, const std::string& indent) {
    for (auto& node : p_.nodes)
      if (node.cluster == cluster)
        out_ += indent + node.id + " [label=" + label(node.text) + ", " + look(node.kind) +
                (node.callbacks.empty() ? "" : called) + "];\n";
    for (size_t i = 0; i < p_.clusters.size(); ++i) {
      auto& c = p_.clusters[i];
      if (c.parent != cluster) continue;
      out_ += indent + "subgraph cluster_" + c.id + " {\n" + indent + "  label=" + quoted(c.text) +
              ";\n" + indent + "  style=rounded" + (c.callback ? called : "") + ";\n";
      inside(int(i), indent + "  ");
      out_ += indent + "}\n";
    }
  }

  const Picture& p_;
  std::string out_;
};

}  // namespace

std::string to_dot(const Picture& picture) { return Dot(picture).text(); }

}  // namespace braid
