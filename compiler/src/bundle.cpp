// Fewer, larger exchanges. What an exchange costs is waiting, not bytes; so syncs that are ready
// together become one node with k inputs and k outputs, one tree and one message. The merged bits
// are those of the k single trees.
//
// Some results are waited for: replicas go on only when they are there (moments, the sums of a
// batch norm's gradient, a loss's count). Such syncs share a node where they have the same *depth*,
// the largest number of syncs on a path to them. Of the same depth, none depends on another; and a
// replica does its work depth by depth anyway, so the main branch of a residual and its shortcut,
// or the two towers of a siamese net, arrive at the same time. But what a long chain hangs on must
// not wait for a side branch that is needed only much later: within a bundle, the number of syncs
// that still follow differs by `slack` at most.
//
// Other results nobody waits for before the end of the step: parameter gradients, running
// statistics, the losses and metrics that the host reads. Weight and bias of one layer share a
// node; otherwise neighbours fill one up to `bucket` bytes, so that large gradients are still
// merged one after the other while the backward pass runs (see window.cpp).
#include <algorithm>
#include <map>
#include <queue>
#include <tuple>

#include "hooks.h"
#include "passes.h"

namespace braid {
namespace {

constexpr int slack = 4;
constexpr int64_t bucket = 64 * 1024;

// What the syncs of one node must have in common.
struct Key {
  std::string merge;
  DType dtype;
  int group;
  int samples;  // the micro-batch that decides which replicas have a part
  bool backward;
  int depth;  // of those that are waited for
  auto operator<=>(const Key&) const = default;
};

class Bundler {
 public:
  explicit Bundler(Graph& graph)
      : g_(graph),
        observer_(find_observers(graph)),
        uses_(graph.values.size()),
        facts_(graph.values.size()) {
    for (size_t i = 0; i < g_.nodes.size(); ++i)
      for (int v : g_.nodes[i].in) uses_[size_t(v)].push_back(int(i));
  }

  void run() {
    walk_down();
    walk_up();
    group();
    if (!merged_) return;
    join();
    sort();
  }

 private:
  struct Facts {
    int depth = 0, height = 0;  // syncs on the longest path to and from a value
    int samples = -1;           // -1 = on all replicas
    bool awaited = false;       // a replica goes on with what is made of it
  };

  Facts& facts(int v) { return facts_[size_t(v)]; }
  const Value& value(int v) const { return g_.values[size_t(v)]; }

  // A group of one replica exchanges nothing.
  bool exchanges(const Node& node) const {
    return node.op == &sync_op() && value(node.out[0]).layout.group != 1;
  }

  void walk_down() {
    for (size_t v = 0; v < g_.values.size(); ++v)
      if (g_.values[v].node < 0 && g_.values[v].layout.kind == Layout::Kind::split)
        facts_[v].samples = g_.values[v].micro;
    for (auto& node : g_.nodes) {
      Facts out;
      // As in replicate(): a sum over micro-batches is there where one of them has samples, and the
      // first micro-batch has the most.
      bool sum = node.op->linear && node.in.size() > 1;
      for (int v : node.in) {
        auto& in = facts(v);
        out.depth = std::max(out.depth, in.depth);
        if (in.samples < 0) continue;
        bool first = out.samples < 0;
        out.samples = first ? in.samples
                      : sum ? std::min(out.samples, in.samples)
                            : std::max(out.samples, in.samples);
      }
      if (exchanges(node)) ++out.depth;
      if (node.op == &sync_op()) out.samples = -1;
      for (int v : node.out) facts(v) = out;
    }
  }

  void walk_up() {
    auto everywhere = [](const Layout& l) { return l == Layout::copy(); };
    for (size_t i = g_.nodes.size(); i-- > 0;) {
      if (observer_[i]) continue;
      auto node = &g_.nodes[i];
      bool of_replica = node->op != &sync_op() && !std::ranges::all_of(node->wants, everywhere);
      int height = 0;
      bool awaited = of_replica;
      for (int v : node->out) {
        height = std::max(height, facts(v).height);
        awaited |= facts(v).awaited;
      }
      for (int v : node->in) {
        facts(v).height = std::max(facts(v).height, height + exchanges(*node));
        facts(v).awaited |= awaited;
      }
    }
  }

  void group() {
    std::map<Key, std::vector<int>> awaited, others;
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      auto& node = g_.nodes[i];
      if (!exchanges(node) || observer_[i]) continue;
      auto& part = value(node.in[0]);
      auto& result = facts(node.out[0]);
      Key key{part.layout.merge,         part.type.dtype, value(node.out[0]).layout.group,
              facts(node.in[0]).samples, node.backward,   result.awaited ? result.depth : 0};
      (result.awaited ? awaited : others)[key].push_back(int(i));
    }
    into_.resize(g_.nodes.size());
    for (size_t i = 0; i < into_.size(); ++i) into_[i] = int(i);
    for (auto& [key, syncs] : awaited) by_height(std::move(syncs));
    for (auto& [key, syncs] : others) by_bytes(std::move(syncs));
  }

  void by_height(std::vector<int> syncs) {
    auto height = [&](int i) { return facts(g_.nodes[size_t(i)].out[0]).height; };
    std::ranges::stable_sort(syncs, std::greater<>{}, height);
    int first = syncs[0];
    for (int i : syncs) {
      if (height(first) - height(i) > slack) first = i;
      put(i, first);
    }
  }

  void by_bytes(std::vector<int> syncs) {
    auto producer = [&](int i) { return value(g_.nodes[size_t(i)].in[0]).node; };
    std::ranges::stable_sort(syncs, {}, producer);
    int small = -1, before = -1;  // the node that is being filled; the last sync
    int64_t filled = 0;
    for (int i : syncs) {
      int64_t bytes = value(g_.nodes[size_t(i)].in[0]).type.bytes(0);
      if (before >= 0 && owner(i) >= 0 && owner(i) == owner(before)) {
        put(i, into_[size_t(before)]);
      } else if (bytes <= bucket && (small < 0 || filled + bytes > bucket)) {
        small = i, filled = 0;
      } else if (bytes <= bucket) {
        put(i, small);
      }
      if (into_[size_t(i)] == small) filled += bytes;
      before = i;
    }
  }

  // The layer whose variable the merged value changes, else the one that it comes from.
  int owner(int sync) const {
    auto& node = g_.nodes[size_t(sync)];
    for (int user : uses_[size_t(node.out[0])]) {
      auto& writer = g_.nodes[size_t(user)];
      for (int w : writer.op->writes)
        if (int state = value(writer.in[size_t(w)]).state; state >= 0)
          return g_.states[size_t(state)].call;
    }
    return node.call;
  }

  void put(int sync, int first) {
    into_[size_t(sync)] = first;
    merged_ |= sync != first;
  }

  // Moves the values of all members into the first. The largest comes first: its merge may take
  // over the memory of an operand.
  void join() {
    std::map<int, std::vector<int>> members;
    for (size_t i = 0; i < into_.size(); ++i)
      if (exchanges(g_.nodes[i])) members[into_[i]].push_back(int(i));
    for (auto& [first, all] : members) {
      if (all.size() < 2) continue;
      auto bytes = [&](int i) { return value(g_.nodes[size_t(i)].in[0]).type.bytes(0); };
      std::vector<std::string> labels;
      for (int i : all)
        if (auto& label = g_.nodes[size_t(i)].label;
            std::ranges::find(labels, label) == labels.end())
          labels.push_back(label);
      std::ranges::stable_sort(all, std::greater<>{}, bytes);
      Node whole = g_.nodes[size_t(first)];
      whole.in.clear(), whole.out.clear(), whole.wants.clear();
      for (int i : all) {
        auto& node = g_.nodes[size_t(i)];
        whole.in.push_back(node.in[0]);
        whole.out.push_back(node.out[0]);
        whole.wants.push_back(node.wants[0]);
        node.op = nullptr;
      }
      if (labels.size() == 2) whole.label = labels[0] + " + " + labels[1];
      if (labels.size() > 2)
        whole.label = labels[0] + " and " + std::to_string(labels.size() - 1) + " more";
      g_.nodes[size_t(first)] = std::move(whole);
    }
  }

  // Producers before users again, otherwise in the order that was; so is, above all, the order of
  // those that write the same variable.
  void sort() {
    std::vector<std::vector<int>> after(g_.nodes.size());
    std::vector<int> waiting(g_.nodes.size(), 0);
    std::map<int, int> writer;
    auto edge = [&](int from, int to) {
      after[size_t(from)].push_back(to);
      ++waiting[size_t(to)];
    };
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      auto& node = g_.nodes[i];
      if (!node.op) continue;
      for (int v : node.in)
        if (int made = value(v).node; made >= 0) edge(into_[size_t(made)], int(i));
      for (int w : node.op->writes) {
        auto [last, fresh] = writer.try_emplace(node.in[size_t(w)], int(i));
        if (!fresh) edge(std::exchange(last->second, int(i)), int(i));
      }
    }
    std::priority_queue<int, std::vector<int>, std::greater<>> ready;
    for (size_t i = 0; i < g_.nodes.size(); ++i)
      if (g_.nodes[i].op && !waiting[i]) ready.push(int(i));
    std::vector<Node> nodes;
    while (!ready.empty()) {
      int i = ready.top();
      ready.pop();
      for (int next : after[size_t(i)])
        if (!--waiting[size_t(next)]) ready.push(next);
      nodes.push_back(std::move(g_.nodes[size_t(i)]));
    }
    ensure(std::ranges::all_of(waiting, [](int n) { return n == 0; }), "the bundles have a cycle");
    for (size_t i = 0; i < nodes.size(); ++i)
      for (int v : nodes[i].out) g_.values[size_t(v)].node = int(i);
    g_.nodes = std::move(nodes);
  }

  Graph& g_;
  std::vector<bool> observer_;  // by node: a hook that reads decides nothing
  std::vector<std::vector<int>> uses_;
  std::vector<Facts> facts_;
  std::vector<int> into_;  // node -> the node it becomes part of
  bool merged_ = false;
};

}  // namespace

void bundle(Graph& graph) { Bundler(graph).run(); }

}  // namespace braid
