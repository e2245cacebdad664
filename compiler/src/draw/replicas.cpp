// A Plan as a picture. Transfers are edges, the merges of one synchronization point are one
// hexagon, and what only the host or the optimizer sees is left out unless it is asked for.
#include <algorithm>
#include <bit>
#include <map>

#include "sketch.h"

namespace braid {
namespace {

using Kind = Picture::Kind;

// What travels together: some points and the bytes that one participant hands in.
struct Exchange {
  const SyncPoint* first;
  int parts = 0;
  int64_t bytes = 0;
};

class Replicas {
 public:
  Replicas(const Plan& plan, bool backward) : p_(plan), backward_(backward) {
    for (auto& sync : p_.syncs) {
      auto& exchange = exchanges_.try_emplace(sync.node, Exchange{&sync}).first->second;
      ++exchange.parts, exchange.bytes += sync.bytes;
    }
  }

  Picture draw() {
    frames();
    at_.assign(p_.slots.size(), -1);
    replication();
    for (auto& step : p_.steps) this->step(step);  // every value is made before it is used
    for (auto& result : p_.results) this->result(result);
    Picture picture = without_alone(std::move(sketch_).finish(title()));
    picture.view = Picture::View::replicas;
    picture.replicas = p_.replicas, picture.devices = p_.devices;
    return picture;
  }

 private:
  // What is common and has no edges served the backward pass alone.
  static Picture without_alone(Picture picture) {
    std::vector<bool> used(picture.nodes.size(), false);
    for (auto& edge : picture.edges) used[size_t(edge.from)] = used[size_t(edge.to)] = true;
    std::vector<int> place;
    std::vector<Picture::Node> kept;
    for (size_t i = 0; i < picture.nodes.size(); ++i) {
      place.push_back(int(kept.size()));
      if (used[i] || picture.nodes[i].kind != Kind::common) kept.push_back(picture.nodes[i]);
    }
    picture.nodes = std::move(kept);
    for (auto& edge : picture.edges)
      edge.from = place[size_t(edge.from)], edge.to = place[size_t(edge.to)];
    return picture;
  }

  std::string title() const {
    return std::to_string(p_.replicas) + (p_.replicas == 1 ? " replica on " : " replicas on ") +
           std::to_string(p_.devices.size()) + (p_.devices.size() == 1 ? " device" : " devices");
  }

  void frames() {
    for (size_t d = 0; d < p_.devices.size(); ++d)
      devices_.push_back(sketch_.cluster("device" + std::to_string(d), p_.devices[d], -1));
  }

  int frame(int replica, int device) {
    if (replica < 0) return devices_[size_t(device)];
    auto name = "replica " + std::to_string(replica);
    return sketch_.cluster(name, name, devices_[size_t(device)]);
  }
  int frame(const Step& step) { return frame(step.replica, step.device); }

  // All hooks of replica 0, then of replica 1, ...: one chain.
  void replication() {
    int last = -1;
    for (int r = 0; r < p_.replicas; ++r)
      for (auto& point : p_.hook_points) {
        auto& spec = p_.hooks[size_t(point.spec)];
        if (point.kind != HookKind::replicate) continue;
        auto who = "r" + std::to_string(r);
        auto layer = point.layer.empty() ? "the model" : point.layer;
        int device = int(int64_t(r) * int64_t(p_.devices.size()) / p_.replicas);
        int node = sketch_.node("on_replicate_" + spec.name + "_" + layer + " " + who,
                                {"on_replicate: " + spec.name, layer}, Kind::callback,
                                frame(r, device), {"on_replicate " + who, who});
        facts(node, point.layer, "on_replicate", point.mark);
        stand(node, r, device);
        sketch_.at(node).callbacks = {"on_replicate: " + spec.name};
        if (last >= 0) sketch_.edge(last, node, "then");
        last = node;
      }
  }

  int hook(const Step& step) {
    auto& point = p_.hook_points[size_t(step.hook)];
    auto& spec = p_.hooks[size_t(point.spec)];
    auto who = place(step);
    std::string kind(to_string(point.kind));
    int node = sketch_.node(kind + "_" + spec.name + "_" + point.layer + " " + who,
                            {kind + ": " + spec.name, point.layer}, Kind::callback, frame(step),
                            {"hooks of " + point.layer + " " + who, who});
    facts(node, point.layer, kind, point.mark);
    sketch_.at(node).callbacks = {kind + ": " + spec.name};
    return node;
  }

  void facts(int node, const std::string& layer, const std::string& type, const Mark& mark) {
    auto& n = sketch_.at(node);
    n.layer = layer, n.type = type;
    braid::place(n, mark);
  }

  void stand(int node, int replica, int device) {
    sketch_.at(node).replica = replica, sketch_.at(node).device = device;
  }

  static std::string type_of(const Operand& operand) {
    std::string text = std::string(to_string(operand.dtype)) + " [";
    for (size_t i = 0; i < operand.dims.size(); ++i)
      text += (i ? ", " : "") + std::to_string(operand.dims[i]);
    return text + "]";
  }

  void step(const Step& step) {
    if (step.kind == StepKind::gate) return;
    if (step.kind == StepKind::transfer) {
      for (size_t k = 0; k < p_.out(step).size(); ++k)
        at_[size_t(p_.out(step)[k])] = at_[size_t(p_.in(step)[k])];
      return;
    }
    auto& info = p_.nodes[size_t(step.node)];
    if (info.backward && !backward_) return;
    int node = step.kind == StepKind::hook      ? hook(step)
               : step.hi > step.lo && info.sync ? sync(step)
                                                : kernel(step, info);
    if (!is_sync(node)) describe(node, step, info);
    for (int slot : p_.in(step)) edge(slot, node, step);
    for (int slot : p_.out(step)) at_[size_t(slot)] = node;
  }

  void describe(int node, const Step& step, const NodeInfo& info) {
    stand(node, step.replica, step.device);
    auto& n = sketch_.at(node);
    n.backward = info.backward;
    for (int slot : p_.out(step)) n.bytes += p_.slots[size_t(slot)].bytes;
    if (step.kernel < 0) return;
    auto& signature = p_.kernels[size_t(step.kernel)].signature;
    for (auto& operand : signature.in) n.inputs.push_back(type_of(operand));
    for (auto& operand : signature.out) n.outputs.push_back(type_of(operand));
  }

  std::string place(const Step& step) const {
    return step.replica < 0 ? "on " + p_.devices[size_t(step.device)]
                            : "r" + std::to_string(step.replica);
  }

  static std::string block(const NodeInfo& info) {
    return info.label.substr(0, info.label.find('.'));
  }

  int kernel(const Step& step, const NodeInfo& info) {
    auto who = place(step);
    int node = sketch_.node(info.label + "_" + info.op + " " + who, {info.label, info.op},
                            step.replica < 0 ? Kind::common : Kind::layer, frame(step),
                            {info.label + " " + who, block(info) + " " + who, who});
    facts(node, info.label, info.op, info.mark);
    return node;
  }

  // All merges of one exchange and group are drawn as one hexagon.
  int sync(const Step& step) {
    auto& exchange = exchanges_.at(step.node);
    auto& point = *exchange.first;
    int group = point.group ? step.lo / point.group : 0;
    auto [entry, fresh] = hexagons_.try_emplace({step.node, group}, -1);
    if (!fresh) return entry->second;
    auto& info = p_.nodes[size_t(step.node)];
    auto name = "sync_" + info.label + "_" + point.merge;
    std::vector<std::string> text = {info.label, "merge " + point.merge};
    if (exchange.parts > 1)
      text.push_back(std::to_string(exchange.parts) + " values, " + short_bytes(exchange.bytes));
    if (point.group) {
      name += "_" + std::to_string(group);
      text.push_back("replicas " + std::to_string(group * point.group) + " to " +
                     std::to_string((group + 1) * point.group - 1));
    }
    entry->second = sketch_.node(name, text, Kind::sync, -1,
                                 {"sync of " + info.label, "sync of " + block(info)});
    hexagon_.insert(entry->second);
    facts(entry->second, info.label, "merge " + point.merge, info.mark);
    auto& node = sketch_.at(entry->second);
    node.backward = point.backward;
    node.merge = merge(exchange, group);
    return entry->second;
  }

  Picture::Merge merge(const Exchange& exchange, int group) const {
    auto& point = *exchange.first;
    Picture::Merge out{point.merge, exchange.parts, exchange.bytes, 0, p_.replicas};
    if (point.group)
      out.first = group * point.group, out.last = std::min(p_.replicas, out.first + point.group);
    out.tree = tree(out.first, out.last);
    return out;
  }

  // The left subtree is the largest power of two below the number of replicas.
  static std::string tree(int first, int last) {
    if (last - first == 1) return std::to_string(first);
    int left = int(std::bit_floor(unsigned(last - first - 1)));
    return "(" + tree(first, first + left) + " " + tree(first + left, last) + ")";
  }

  bool is_sync(int node) const { return node >= 0 && hexagon_.contains(node); }

  void edge(int slot, int to, const Step& step) {
    auto& s = p_.slots[size_t(slot)];
    if (s.input >= 0) at_[size_t(slot)] = input(slot, step);
    int from = at_[size_t(slot)];
    if (from < 0) return;
    bool to_sync = is_sync(to), from_sync = is_sync(from);
    sketch_.edge(from, to, to_sync && !from_sync ? short_bytes(s.bytes) : "", to_sync || from_sync);
  }

  // The slice of an input that a replica sees.
  int input(int slot, const Step& step) {
    auto [entry, fresh] = inputs_.try_emplace({slot, step.replica}, -1);
    if (!fresh) return entry->second;
    auto& s = p_.slots[size_t(slot)];
    auto& decl = p_.inputs[size_t(s.input)];
    std::vector<std::string> text = {decl.name};
    if (int64_t row = decl.type.batched() ? decl.type.bytes(1) : 0)
      text.push_back("samples " + std::to_string(s.offset / row) + " to " +
                     std::to_string((s.offset + s.bytes) / row - 1));
    auto name = decl.name + " " + place(step);
    entry->second = sketch_.node(name, text, Kind::input, frame(step), {name, name, place(step)});
    facts(entry->second, decl.name, "input", decl.mark);
    stand(entry->second, step.replica, step.device);
    sketch_.at(entry->second).bytes = s.bytes;
    sketch_.at(entry->second).outputs = {to_string(decl.type)};
    return entry->second;
  }

  void result(const PlanResult& result) {
    Kind kind = result.kind == Result::Kind::output ? Kind::output : Kind::term;
    int node = sketch_.node("result " + result.name, {result.name}, kind, -1);
    sketch_.at(node).layer = result.name, sketch_.at(node).type = "result";
    sketch_.at(node).outputs = {to_string(result.type)};
    for (int slot : result.slots) {
      int from = at_[size_t(slot)];
      sketch_.edge(from, node, "", is_sync(from));
    }
  }

  const Plan& p_;
  bool backward_;
  Sketch sketch_;
  std::map<int, Exchange> exchanges_;  ///< by node
  std::vector<int> devices_;
  std::vector<int> at_;  ///< slot -> the node that makes it
  std::map<std::pair<int, int>, int> hexagons_, inputs_;
  std::set<int> hexagon_;
};

}  // namespace

Picture draw_replicas(const Plan& plan, bool backward) { return Replicas(plan, backward).draw(); }

}  // namespace braid
