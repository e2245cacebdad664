#include "sketch.h"

#include <cmath>

namespace braid {
namespace {

bool plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

std::string_view to_string(Picture::View view) {
  switch (view) {
    case Picture::View::network:
      return "network";
    case Picture::View::replicas:
      return "replicas";
    case Picture::View::pipeline:
      return "pipeline";
  }
  return "";
}

std::string_view to_string(Picture::Kind kind) {
  switch (kind) {
    case Picture::Kind::input:
      return "input";
    case Picture::Kind::layer:
      return "layer";
    case Picture::Kind::term:
      return "term";
    case Picture::Kind::output:
      return "output";
    case Picture::Kind::sync:
      return "sync";
    case Picture::Kind::common:
      return "common";
    case Picture::Kind::callback:
      return "callback";
  }
  return "";
}

std::string Sketch::id_for(const std::string& name) {
  std::string base = "n_";  // no format takes it for a number or a word of its own
  for (char c : name) base += plain(c) ? c : '_';
  std::string id = base;
  for (int n = 2; !ids_.insert(id).second; ++n) id = base + "_" + std::to_string(n);
  return id;
}

int Sketch::node(const std::string& name, std::vector<std::string> text, Picture::Kind kind,
                 int cluster, std::vector<std::string> groups) {
  return node(name, {"", std::move(text), kind, cluster, std::move(groups)});
}

int Sketch::node(const std::string& name, Picture::Node node) {
  node.id = id_for(name);
  picture_.nodes.push_back(std::move(node));
  return int(picture_.nodes.size()) - 1;
}

int Sketch::cluster(const std::string& name, const std::string& text, int parent) {
  auto [entry, fresh] = clusters_.try_emplace(name, int(picture_.clusters.size()));
  if (fresh) picture_.clusters.push_back({id_for("in_" + name), text, parent});
  return entry->second;
}

void Sketch::edge(int from, int to, std::string text, bool sync) {
  Picture::Edge edge{from, to, std::move(text), sync};
  if (from >= 0 && to >= 0 && from != to && edges_.insert(edge).second)
    picture_.edges.push_back(std::move(edge));
}

Picture Sketch::finish(std::string title) && {
  picture_.title = std::move(title);
  return std::move(picture_);
}

void place(Picture::Node& node, const Mark& mark) {
  if (!mark) return;
  node.file = mark.source->name;
  node.line = mark.line;
  node.column = mark.column;
  for (auto* frame = mark.via.get(); frame; frame = frame->at.via.get())
    node.via.push_back(frame->what + ", " + to_string(frame->at));
}

std::string short_bytes(int64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  bool mega = bytes >= int64_t{1} << 20;
  double size = std::round(double(bytes) / (mega ? 1 << 20 : 1 << 10) * 10) / 10;
  std::string text = shortest(size);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text + (mega ? " MiB" : " KiB");
}

}  // namespace braid
