#include <map>

#include <braid/core/registry.h>

#include "sketch.h"

namespace braid {
namespace {

using Kind = Picture::Kind;

class Network {
 public:
  Network(const Model& model, const Summary& summary, const Registry& registry)
      : model_(model), registry_(registry) {
    for (auto& row : summary.layers) rows_[row.name] = &row;
    for (auto& c : model.containers) containers_[c.path] = &c;
  }

  Picture draw() {
    for (auto& input : model_.inputs) this->input(input);
    for (auto& item : model_.layers) layer(item);
    for (auto& term : model_.losses) this->term(term);
    for (auto& term : model_.metrics) this->term(term);
    for (auto& out : model_.outputs) {
      int node = sketch_.node(out.name, {out.name}, Kind::output, -1);
      place(sketch_.at(node), out.mark);
      link(out.from, node);
    }
    Picture picture = std::move(sketch_).finish(model_.name);
    for (auto& [type, def] : used_) picture.types.push_back({type, def->doc, def->formula});
    return picture;
  }

 private:
  void input(const InputDecl& input) {
    Picture::Node node{"", {input.name, to_string(input.type)}, Kind::input};
    node.outputs = {to_string(input.type)};
    node.bytes = input.type.bytes(1);
    place(node, input.mark);
    inputs_.push_back(sketch_.node(input.name, std::move(node)));
  }

  void layer(const LayerItem& item) {
    Picture::Node node{"", {item.path, item.type}};
    node.layer = item.path, node.type = about(item.type);
    for (auto& entry : item.params) node.arguments.emplace_back(entry.key, to_string(entry.value));
    if (auto row = rows_.find(item.path); row != rows_.end()) measure(node, *row->second);
    remarks(node, item);
    place(node, item.mark);
    for (auto& block : frames(item.path)) {
      node.cluster = frame(block, node.cluster);
      node.groups.insert(node.groups.begin(), block);
    }
    layers_.push_back(sketch_.node(item.path, std::move(node)));
    for (auto& from : item.from) link(from, layers_.back());
  }

  static void measure(Picture::Node& node, const LayerSummary& row) {
    node.text.push_back(to_string(row.shape));
    const Type type{row.dtype, row.shape};
    node.outputs = {to_string(type)};
    node.bytes = type.bytes(1);
    node.parameters = row.parameters, node.flops = row.flops;
    if (int64_t n = row.parameters)
      node.text.push_back(std::to_string(n) + (n == 1 ? " parameter" : " parameters"));
  }

  void remarks(Picture::Node& node, const LayerItem& item) const {
    if (item.share >= 0)
      node.text.push_back("weights of " + model_.layers[size_t(item.share)].path);
    if (!item.when.empty()) node.text.push_back("only in " + item.when);
    if (!item.on_replicate.empty()) {
      node.text.push_back("on_replicate: " + item.on_replicate);
      node.callbacks.push_back("on_replicate: " + item.on_replicate);
    }
    if (item.type == "Callback") node.callbacks.push_back(calls(item));
  }

  static std::string calls(const LayerItem& item) {
    std::string text;
    for (const char* key : {"call", "backward"})
      if (auto name = get_text(item.params, key); !name.empty())
        text += (text.empty() ? "" : ", ") + std::string(key) + ": " + name;
    return text.empty() ? item.path : text;
  }

  int frame(const std::string& block, int parent) {
    auto found = containers_.find(block);
    if (found == containers_.end()) return named(block, block, parent);
    auto& container = *found->second;
    auto& called = container.on_replicate;
    int cluster =
        named(block, called.empty() ? block : block + ", on_replicate: " + called, parent);
    sketch_.frame(cluster).type = container.type;
    sketch_.frame(cluster).callback = !called.empty();
    return cluster;
  }

  int named(const std::string& block, const std::string& text, int parent) {
    int cluster = sketch_.cluster(block, text, parent);
    sketch_.frame(cluster).path = block;
    return cluster;
  }

  const std::string& about(const std::string& type) {
    if (auto* def = registry_.layer(type)) used_[type] = def;
    return type;
  }

  // "layer1.0.conv1" stands in the frames "layer1" and "layer1.0".
  static std::vector<std::string> frames(const std::string& path) {
    std::vector<std::string> out;
    for (size_t at = path.find('.'); at != std::string::npos; at = path.find('.', at + 1))
      out.push_back(path.substr(0, at));
    return out;
  }

  void term(const TermDecl& term) {
    Picture::Node node{"", {term.name, term.type}, Kind::term};
    node.type = about(term.type);
    for (auto& entry : term.params) node.arguments.emplace_back(entry.key, to_string(entry.value));
    place(node, term.mark);
    int id = sketch_.node(term.name, std::move(node));
    for (auto& from : term.from) link(from, id);
  }

  void link(const Link& from, int to) {
    bool input = from.kind == Link::Kind::input;
    auto& nodes = input ? inputs_ : layers_;
    if (from.index < 0 || size_t(from.index) >= nodes.size()) return;
    int source = nodes[size_t(from.index)];
    auto& makes = sketch_.at(source).outputs;
    if (from.port.empty() && !makes.empty()) sketch_.at(to).inputs.push_back(makes[0]);
    sketch_.edge(source, to, from.port);
  }

  const Model& model_;
  const Registry& registry_;
  std::map<std::string, const LayerSummary*> rows_;
  std::map<std::string, const Container*> containers_;  ///< blocks and lists
  std::map<std::string, const LayerDef*> used_;
  Sketch sketch_;
  std::vector<int> inputs_, layers_;
};

}  // namespace

Picture draw_network(const Model& model, const Summary& summary, const Registry& registry) {
  return Network(model, summary, registry).draw();
}

}  // namespace braid
