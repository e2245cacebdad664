// Expanded: the physical program: R copies of what is split, one of what is common, and the merges.
// Lean on purpose: 1,000 layers on 64 replicas have 300,000 nodes.
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace braid {

struct ExpandedValue {
  int logical = -1;
  int replica = -1;  ///< -1 = common
  int node = -1;
  int64_t n = 0;  ///< samples of its slice
};

struct ExpandedNode {
  int logical = -1;  ///< for merges: the sync node
  int replica = -1;
  int lo = 0, hi = 0;  ///< merges
  int kernel = -1;
  int first = 0, inputs = 0, outputs = 0;  ///< operands
  int64_t n = 0, first_sample = 0;
  bool sum = false;  ///< over devices: operands are those of the first device, the second, ...
  bool merge() const { return hi > lo; }
};

/// Replica r lives on this device of so many.
inline int device_of(int replica, int devices, int replicas) {
  return int(int64_t(replica) * devices / replicas);
}

struct Expanded {
  std::vector<ExpandedValue> values;
  std::vector<ExpandedNode> nodes;
  std::vector<int> operands;
  /// A node and a value of its replica that must be there before it, in the order of the nodes.
  std::vector<std::pair<int, int>> after;
  std::vector<std::vector<int64_t>> slices, rows;  ///< by micro-batch and replica
  /// logical value -> its copies: one common, or one for each replica (-1 = empty slice).
  std::vector<int> common;
  std::vector<std::vector<int>> at;

  std::span<const int> in(const ExpandedNode& n) const {
    return {operands.data() + n.first, size_t(n.inputs)};
  }
  std::span<const int> out(const ExpandedNode& n) const {
    return {operands.data() + n.first + n.inputs, size_t(n.outputs)};
  }
};

/// Which steps must be done before a step; lists may hold duplicates until weave() sorts them.
struct Order {
  std::vector<std::vector<int>> preds;
  void add(int step, int pred) { preds[size_t(step)].push_back(pred); }
};

}  // namespace braid
