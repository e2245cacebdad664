// A batch norm whose result only goes into a sum takes the sum along, and the ReLU behind it:
//
//   normalize(x), add(., z), relu         ->  normalize_add(x, z)
//   relu_grad(g, y), bn_reduce(., x)      ->  bn_relu_reduce(g, x, y) -> the gradient that passes,
//                                             and its sums
//
// What passes ReLU is written, because dx and z's side read it; y is there anyway for the layer
// that takes it, where z often is not.
//
// The pass stands behind choose_formats() and joins only what lies alike in memory. So formats,
// syncs and bundles are those of the single operations, and as the joined ones round where the
// single ones do, so is every bit.
#include <algorithm>
#include <map>

#include "hooks.h"
#include "passes.h"

namespace braid {
namespace {

class SumFuser {
 public:
  SumFuser(Graph& graph, const Registry& registry)
      : g_(graph),
        registry_(registry),
        observer_(find_observers(graph)),
        users_(graph.values.size()),
        watched_(graph.values.size(), false) {
    for (size_t i = 0; i < g_.nodes.size(); ++i)
      for (int v : g_.nodes[i].in)
        if (observer_[i])
          watched_[size_t(v)] = true;
        else
          users_[size_t(v)].push_back(int(i));
    for (auto& result : g_.results) users_[size_t(result.value)].push_back(-1);
  }

  void run() {
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      if (observer_[i]) continue;
      if (is(int(i), "add")) sum(int(i));
      if (is(int(i), "relu_grad")) gradient(int(i));
    }
    if (!made_.empty()) put();
  }

 private:
  Node& node(int i) { return g_.nodes[size_t(i)]; }
  int maker(int v) const { return g_.values[size_t(v)].node; }
  bool is(int i, std::string_view op) { return i >= 0 && node(i).op && node(i).op->name == op; }

  /// The only one that takes a value, hooks that only watch apart; -1 = there are others.
  int taker(int v) const {
    auto& users = users_[size_t(v)];
    return users.size() == 1 ? users[0] : -1;
  }
  bool alike(int a, int b) const {
    auto &left = g_.values[size_t(a)], &right = g_.values[size_t(b)];
    return left.type == right.type && left.format == right.format;
  }

  const OpDef* op(const std::string& name) {
    const OpDef* found = registry_.op(name);
    if (!found) bug("no operation '" + name + "' is registered");
    return found;
  }
  // Is not kept but for hooks that watch its result.
  void drop(int i) {
    if (!watched_[size_t(node(i).out[0])]) node(i).op = nullptr;
  }
  static void take_after(Node& node, const Node& from) {
    node.after.insert(node.after.end(), from.after.begin(), from.after.end());
  }

  void sum(int add) {
    int norm = -1, other = 0;  // of two batch norms the later one: its input is still in the cache
    for (int k : {0, 1}) {
      const int v = node(add).in[size_t(k)], from = maker(v);
      if (!is(from, "normalize") && !is(from, "normalize_eval")) continue;
      if (from > norm && taker(v) == add && !get_bool(node(from).attrs, "relu") &&
          alike(v, node(add).in[size_t(1 - k)]) && alike(v, node(add).out[0]))
        norm = from, other = 1 - k;
    }
    if (norm < 0) return;
    Node joined = node(norm);
    joined.op = op(joined.op->name + "_add");
    joined.in.push_back(node(add).in[size_t(other)]);
    joined.wants.push_back(node(add).wants[size_t(other)]);
    joined.out = node(add).out;
    take_after(joined, node(add));
    if (const int relu = taker(joined.out[0]); is(relu, "relu")) {
      set(joined.attrs, "relu", true);
      joined.out = node(relu).out;
      take_after(joined, node(relu));
      // Hooks that watch the sum need it, and what is added.
      if (watched_[size_t(node(add).out[0])]) watched_[size_t(node(norm).out[0])] = true;
      drop(add);
      node(relu).op = nullptr;
    } else {
      node(add).op = nullptr;
    }
    drop(norm);
    made_.emplace(add, std::move(joined));
  }

  // The first reduction that has what it needs where the ReLU's gradient stands.
  void gradient(int relu) {
    const int passed = node(relu).out[0];
    auto there = [&](int v) { return v == passed || maker(v) < relu; };
    for (int reduce : users_[size_t(passed)]) {
      if (!is(reduce, "bn_reduce") && !is(reduce, "bn_eval_reduce")) continue;
      Node joined = node(reduce);
      if (get_bool(joined.attrs, "relu") || !std::ranges::all_of(joined.in, there) ||
          !alike(passed, joined.in[1]) || !alike(passed, node(relu).in[0]) ||
          !alike(passed, node(relu).in[1]))
        continue;
      joined.op = op(is(reduce, "bn_reduce") ? "bn_relu_reduce" : "bn_eval_relu_reduce");
      joined.in[0] = node(relu).in[0];
      joined.in.push_back(node(relu).in[1]);
      joined.wants.push_back(node(relu).wants[1]);
      joined.out.insert(joined.out.begin(), passed);
      take_after(joined, node(relu));
      made_.emplace(relu, std::move(joined));
      node(relu).op = node(reduce).op = nullptr;
      return;
    }
  }

  void put() {
    auto old = std::move(g_.nodes);
    g_.nodes.clear();
    auto keep = [&](Node node) {
      for (int v : node.out) g_.values[size_t(v)].node = int(g_.nodes.size());
      g_.nodes.push_back(std::move(node));
    };
    for (size_t i = 0; i < old.size(); ++i) {
      if (old[i].op) keep(std::move(old[i]));
      if (auto found = made_.find(int(i)); found != made_.end()) keep(std::move(found->second));
    }
  }

  Graph& g_;
  const Registry& registry_;
  std::vector<bool> observer_;           // by node: a hook that reads decides nothing
  std::vector<std::vector<int>> users_;  // by value; -1 = a result
  std::vector<bool> watched_;            // by value: hooks want to see it
  std::map<int, Node> made_;             // by the node in whose place it stands
};

}  // namespace

void fuse_add(Graph& graph, const Registry& registry) { SumFuser(graph, registry).run(); }

}  // namespace braid
