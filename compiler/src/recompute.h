// Activation checkpointing: the values of a segment of layers are dropped after the forward pass,
// and its operations are added once more when the walk backwards reaches it.
#pragma once
#include <map>
#include <vector>

#include <braid/core/builder.h>

namespace braid {

/// The segment of each item, -1 = none: neighbours with `recompute` that stand in one segment.
std::vector<int> segments_of(const Model& model);

class Recompute {
 public:
  /// To be made when all of the forward pass stands in the graph, and nothing else.
  explicit Recompute(const Graph& graph);

  /// The call as its gradient rule is to see it: with values that were computed again in place of
  /// those that were dropped. The first call of a segment adds the segment's operations.
  Call seen_by_gradient(Builder& b, const Call& call);

 private:
  bool dropped(const Graph& graph, int value) const;
  void again(Builder& b, int segment);
  void again(Graph& graph, const Node& node, const std::vector<int>& after);
  int now(int value) const;

  std::vector<bool> read_outside_;            // by value: some other segment or a result needs it
  std::map<int, std::vector<int>> segments_;  // -> its nodes; of those that are still to be done
  std::map<int, int> again_;                  // value -> the one that is computed again
};

}  // namespace braid
