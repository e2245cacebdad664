// R copies of what is split, one of what is common. A sync node becomes a binary tree of merges
// over the replica index, always merge(left, right): the left subtree is the largest power of two
// below the number of replicas, and empty slices are skipped leaves. The tree depends on R alone.
// The values of a bundle go through one tree together.
//
// With `reduce: fast` on several GPUs, gradients that only the updates wait for have such a tree on
// each GPU, over its replicas, and a library adds up what these give: the program depends on the
// number of GPUs then. Where a GPU has no samples the one tree stays.
#include <algorithm>
#include <bit>

#include "hooks.h"
#include "passes.h"

namespace braid {
namespace {

// The first `total mod parts` parts get one more.
std::vector<int64_t> cut(int64_t total, int64_t parts) {
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < parts; ++i) sizes.push_back(total / parts + (i < total % parts));
  return sizes;
}

// torch.chunk: as many full parts as there are, the rest, nothing.
std::vector<int64_t> chunk(int64_t total, int64_t parts) {
  std::vector<int64_t> sizes;
  int64_t most = (total + parts - 1) / parts;
  for (int64_t i = 0; i < parts; ++i)
    sizes.push_back(std::clamp<int64_t>(total - i * most, 0, most));
  return sizes;
}

class Replication {
 public:
  Replication(const Graph& graph, int replicas, int64_t batch, const CompileOptions& options,
              int summed_over)
      : g_(graph),
        replicas_(replicas),
        devices_(summed_over),
        mutant_(options.mutant),
        seed_(mutant_.arrival) {
    int64_t row = 0;
    for (int64_t micro : cut(batch, graph.micros)) {
      e_.slices.push_back(options.chunk == Chunk::torch ? chunk(micro, replicas)
                                                        : cut(micro, replicas));
      e_.rows.emplace_back();
      for (int64_t n : e_.slices.back()) {
        e_.rows.back().push_back(row);
        row += n;
      }
    }
    e_.common.assign(graph.values.size(), -1);
    e_.at.resize(graph.values.size());
  }

  Expanded run() {
    e_.nodes.reserve(g_.nodes.size() * size_t(replicas_) * 2);
    e_.values.reserve(g_.values.size() * size_t(replicas_) * 2);
    for (size_t v = 0; v < g_.values.size(); ++v) leaf(int(v));
    if (devices_ > 1) find_awaited();
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      auto& node = g_.nodes[i];
      if (node.op == &sync_op())
        sync(int(i), node);
      else if (common(node))
        once(int(i), node);
      else if (node.op->effect && get_bool(node.attrs, "joined"))
        joined(int(i), node);
      else if (node.op->effect && of_groups(node))
        for (int r = 0; r < replicas_; r += group_of(node)) first_of_group(int(i), node, r);
      else
        for (int r = 0; r < replicas_; ++r) replica(int(i), node, r);
    }
    return std::move(e_);
  }

 private:
  static bool everywhere(const Layout& l) { return l.kind == Layout::Kind::copy && !l.group; }

  bool common(const Node& node) const { return std::ranges::all_of(node.wants, everywhere); }

  void leaf(int v) {
    auto& value = g_.values[size_t(v)];
    if (!everywhere(value.layout)) e_.at[size_t(v)].assign(size_t(replicas_), -1);
    if (value.node >= 0) return;
    if (everywhere(value.layout)) {
      e_.common[size_t(v)] = add_value(v, -1, 0);
      return;
    }
    auto& slices = e_.slices[size_t(value.micro)];
    for (int r = 0; r < replicas_; ++r)
      if (slices[size_t(r)]) e_.at[size_t(v)][size_t(r)] = add_value(v, r, slices[size_t(r)]);
  }

  int add_value(int logical, int replica, int64_t n) {
    e_.values.push_back({logical, replica, -1, n});
    return int(e_.values.size()) - 1;
  }

  int add_node(ExpandedNode node, std::span<const int> in, std::span<const int> out) {
    node.first = int(e_.operands.size());
    node.inputs = int(in.size());
    node.outputs = int(out.size());
    e_.operands.insert(e_.operands.end(), in.begin(), in.end());
    e_.operands.insert(e_.operands.end(), out.begin(), out.end());
    for (int v : out) e_.values[size_t(v)].node = int(e_.nodes.size());
    e_.nodes.push_back(node);
    return int(e_.nodes.size()) - 1;
  }

  int input(int v, int r) const {
    return everywhere(g_.values[size_t(v)].layout) ? e_.common[size_t(v)]
                                                   : e_.at[size_t(v)][size_t(r)];
  }

  void once(int id, const Node& node) {
    in_.clear(), out_.clear();
    for (int v : node.in) in_.push_back(e_.common[size_t(v)]);
    if (of_step(node)) std::erase(in_, -1);  // a micro-batch without samples has no totals
    const bool gone = in_.empty() && !node.in.empty();
    if (gone || std::ranges::find(in_, -1) != in_.end()) return;
    for (int v : node.out) out_.push_back(e_.common[size_t(v)] = add_value(v, -1, 0));
    add_node({.logical = id}, in_, out_);
  }

  void replica(int id, const Node& node, int r) {
    in_.clear(), out_.clear();
    int present = -1;
    for (int v : node.in) {
      in_.push_back(input(v, r));
      if (in_.back() >= 0) present = in_.back();
    }
    if (std::ranges::find(in_, -1) != in_.end()) {
      // An empty slice. Where another micro-batch has samples, the sum is what is there.
      if (node.op->linear && node.in.size() > 1 && present >= 0)
        e_.at[size_t(node.out[0])][size_t(r)] = present;
      return;
    }
    size_t micro = size_t(std::max(0, node.micro));
    int64_t n = e_.slices[micro][size_t(r)];
    for (int v : node.out) out_.push_back(e_.at[size_t(v)][size_t(r)] = add_value(v, r, n));
    int made =
        add_node({.logical = id, .replica = r, .n = n, .first_sample = e_.rows[micro][size_t(r)]},
                 in_, out_);
    for (int v : node.after)
      if (int value = g_.values[size_t(v)].node < 0 ? -1 : input(v, r); value >= 0)
        e_.after.emplace_back(made, value);
  }

  // A hook that sees the values of a group, not of a replica: merged moments.
  static bool of_groups(const Node& node) {
    return std::ranges::all_of(node.wants, [](auto& l) { return l.kind == Layout::Kind::copy; });
  }
  int group_of(const Node& node) const {
    int group = replicas_;
    for (auto& want : node.wants)
      if (want.group) group = std::min(group, want.group);
    return group;
  }
  void first_of_group(int id, const Node& node, int first) {
    for (int r = first; r < std::min(first + group_of(node), replicas_); ++r)
      if (input(node.in[0], r) >= 0) return replica(id, node, r);
  }

  // One hook for all replicas: their operands one after the other.
  void joined(int id, const Node& node) {
    in_.clear(), out_.clear();
    auto& slices = e_.slices[size_t(std::max(0, node.micro))];
    for (int r = 0; r < replicas_; ++r) {
      if (!slices[size_t(r)]) continue;
      for (int v : node.in) in_.push_back(input(v, r));
      for (int v : node.out)
        out_.push_back(e_.at[size_t(v)][size_t(r)] = add_value(v, r, slices[size_t(r)]));
    }
    ensure(std::ranges::find(in_, -1) == in_.end(), "a joined hook lacks a replica's value");
    if (!in_.empty()) add_node({.logical = id}, in_, out_);
  }

  // Row r holds the values that replica r hands in, one for each input of the sync.
  void sync(int id, const Node& node) {
    auto count = size_t(replicas_);
    rows_.assign(count, {});
    for (size_t r = 0; r < count; ++r) {
      for (int v : node.in) rows_[r].push_back(e_.at[size_t(v)][r]);
      ensure(std::ranges::count(rows_[r], -1) % std::ssize(rows_[r]) == 0,
             "the values of a bundle are not missing together");
    }
    if (mutant_.arrival)
      for (size_t i = count - 1; i > 0; --i) {
        seed_ = seed_ * 1664525u + 1013904223u;
        std::swap(rows_[i], rows_[(seed_ >> 16) % (i + 1)]);
      }
    int group = g_.values[size_t(node.out[0])].layout.group;
    for (int lo = 0; lo < replicas_; lo += group ? group : replicas_) {
      int hi = std::min(group ? lo + group : replicas_, replicas_);
      int whole = summed(node) ? sum(id, node) : tree(id, node, lo, hi);
      for (size_t k = 0; k < node.out.size(); ++k) {
        auto to = size_t(node.out[k]);
        int merged = whole < 0 ? -1 : rows_[size_t(whole)][k];
        if (!group) e_.common[to] = merged;
        for (int r = lo; group && r < hi; ++r) e_.at[to][size_t(r)] = merged;
      }
    }
  }

  // Values that a replica goes on with.
  void find_awaited() {
    awaited_.assign(g_.values.size(), false);
    for (auto& node : g_.nodes)
      if (node.op != &sync_op() && !common(node))
        for (int v : node.in) awaited_[size_t(v)] = true;
  }

  bool summed(const Node& node) const {
    if (devices_ == 1 || !node.backward || g_.values[size_t(node.out[0])].layout.group)
      return false;
    auto& part = g_.values[size_t(node.in[0])];
    const bool numbers = part.type.dtype == DType::f32 || part.type.dtype == DType::f64;
    if (!numbers || part.layout.merge != "sum") return false;
    if (std::ranges::any_of(node.out, [&](int v) { return awaited_[size_t(v)]; })) return false;
    std::vector<bool> present(size_t(devices_), false);
    for (int r = 0; r < replicas_; ++r)
      if (rows_[size_t(r)][0] >= 0) present[size_t(device_of(r, devices_, replicas_))] = true;
    return std::ranges::count(present, true) == devices_;
  }

  // The row that holds the sum over all devices.
  int sum(int id, const Node& node) {
    std::vector<int> in, out;
    int first = -1;
    for (int d = 0, lo = 0; d < devices_; ++d) {
      int hi = lo;
      while (hi < replicas_ && device_of(hi, devices_, replicas_) == d) ++hi;
      const int whole = tree(id, node, lo, hi);
      in.insert(in.end(), rows_[size_t(whole)].begin(), rows_[size_t(whole)].end());
      if (d == 0) first = whole;
      lo = hi;
    }
    for (int to : node.out) out.push_back(add_value(to, -1, 0));
    add_node({.logical = id, .lo = 0, .hi = replicas_, .sum = true}, in, out);
    rows_[size_t(first)] = out;
    return first;
  }

  // The row that holds what replicas [lo, hi) amount to, or -1. A merge puts it where its left
  // operand was.
  int tree(int id, const Node& node, int lo, int hi) {
    if (hi - lo == 1) return rows_[size_t(lo)][0] < 0 ? -1 : lo;
    int half = int(std::bit_floor(unsigned(hi - lo - 1)));
    int left = tree(id, node, lo, lo + half), right = tree(id, node, lo + half, hi);
    if (left < 0 || right < 0) return left < 0 ? right : left;
    if (mutant_.swap_merge) std::swap(left, right);
    in_ = rows_[size_t(left)], out_.clear();
    in_.insert(in_.end(), rows_[size_t(right)].begin(), rows_[size_t(right)].end());
    for (int to : node.out) out_.push_back(add_value(to, -1, 0));
    add_node({.logical = id, .lo = lo, .hi = hi}, in_, out_);
    rows_[size_t(left)] = out_;
    return left;
  }

  const Graph& g_;
  int replicas_, devices_;
  Mutant mutant_;
  unsigned seed_;
  Expanded e_;
  std::vector<int> in_, out_;
  std::vector<std::vector<int>> rows_;
  std::vector<bool> awaited_;  // by value
};

}  // namespace

Expanded replicate(const Graph& graph, int replicas, int64_t batch, const CompileOptions& options,
                   int summed_over) {
  return Replication(graph, replicas, batch, options, summed_over).run();
}

}  // namespace braid
