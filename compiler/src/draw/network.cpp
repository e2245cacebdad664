#include <map>

#include "sketch.h"

namespace braid {
namespace {

using Kind = Picture::Kind;

class Network {
 public:
  Network(const Model& model, const Summary& summary) : model_(model) {
    for (auto& row : summary.layers) rows_[row.name] = &row;
    for (auto& c : model.containers)
      if (!c.on_replicate.empty()) callbacks_[c.path] = c.on_replicate;
  }

  Picture draw() {
    for (auto& input : model_.inputs)
      inputs_.push_back(
          sketch_.node(input.name, {input.name, to_string(input.type)}, Kind::input, -1));
    for (auto& item : model_.layers) layer(item);
    for (auto& term : model_.losses) this->term(term);
    for (auto& term : model_.metrics) this->term(term);
    for (auto& out : model_.outputs)
      link(out.from, sketch_.node(out.name, {out.name}, Kind::output, -1));
    return std::move(sketch_).finish(model_.name);
  }

 private:
  void layer(const LayerItem& item) {
    std::vector<std::string> text = {item.path, item.type};
    if (auto row = rows_.find(item.path); row != rows_.end()) {
      text.push_back(to_string(row->second->shape));
      if (int64_t n = row->second->parameters)
        text.push_back(std::to_string(n) + (n == 1 ? " parameter" : " parameters"));
    }
    if (item.share >= 0) text.push_back("weights of " + model_.layers[size_t(item.share)].path);
    if (!item.when.empty()) text.push_back("only in " + item.when);
    if (!item.on_replicate.empty()) text.push_back("on_replicate: " + item.on_replicate);
    auto blocks = frames(item.path);
    int cluster = -1;
    std::vector<std::string> groups;
    for (auto& block : blocks) {
      auto called = callbacks_.find(block);
      bool calls = called != callbacks_.end();
      cluster = sketch_.cluster(block, calls ? block + ", on_replicate: " + called->second : block,
                                cluster);
      groups.insert(groups.begin(), block);
    }
    layers_.push_back(sketch_.node(item.path, text, Kind::layer, cluster, groups));
    for (auto& from : item.from) link(from, layers_.back());
  }

  // "layer1.0.conv1" stands in the frames "layer1" and "layer1.0".
  static std::vector<std::string> frames(const std::string& path) {
    std::vector<std::string> out;
    for (size_t at = path.find('.'); at != std::string::npos; at = path.find('.', at + 1))
      out.push_back(path.substr(0, at));
    return out;
  }

  void term(const TermDecl& term) {
    int id = sketch_.node(term.name, {term.name, term.type}, Kind::term, -1);
    for (auto& from : term.from) link(from, id);
  }

  void link(const Link& from, int to) {
    bool input = from.kind == Link::Kind::input;
    auto& nodes = input ? inputs_ : layers_;
    if (from.index >= 0 && size_t(from.index) < nodes.size())
      sketch_.edge(nodes[size_t(from.index)], to, from.port);
  }

  const Model& model_;
  std::map<std::string, const LayerSummary*> rows_;
  std::map<std::string, std::string> callbacks_;  ///< of blocks and lists
  Sketch sketch_;
  std::vector<int> inputs_, layers_;
};

}  // namespace

Picture draw_network(const Model& model, const Summary& summary) {
  return Network(model, summary).draw();
}

}  // namespace braid
