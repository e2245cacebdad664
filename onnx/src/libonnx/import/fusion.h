// Layers that ONNX has no operator for are several nodes in a file: here they are one again. What
// is recognised means exactly the layer, and nothing else reads what is inside; else the nodes stay
// what they are.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <onnx/onnx_pb.h>

#include "libonnx/import/importing.h"

namespace braid::onnx_import {

using Node = onnx::NodeProto;

/// The graph as it is looked through backwards.
class Nodes {
 public:
  using Constants = std::map<std::string, std::shared_ptr<const Known>>;
  Nodes(const onnx::GraphProto& graph, const std::vector<bool>& needed, const Constants& constants);

  const std::vector<const Node*>& in_order() const { return order_; }
  /// The node of ONNX's own that makes a value, or null; with `op`, only one of that operator.
  const Node* maker(const std::string& value, const char* op = nullptr) const;
  /// Null among them: an output of the graph.
  const std::vector<const Node*>& readers(const std::string& value) const;
  /// One float, known.
  std::optional<double> number(const std::string& value) const;
  bool is(const std::string& value, double number) const;
  /// Follows from constants alone.
  bool constant(const std::string& value, int depth = 6) const;
  std::optional<Ints> integers(const std::string& value) const;

 private:
  std::shared_ptr<const Known> known(const std::string& value) const;

  const Constants& constants_;
  std::vector<const Node*> order_;
  std::map<std::string, const Node*> makers_;
  std::map<std::string, std::vector<const Node*>> readers_;
};

struct Fusion {
  const Node* root = nullptr;      ///< the last node, which makes the layer's output
  std::set<const Node*> inner;     ///< the others
  std::vector<std::string> reads;  ///< that must be there
  Importer emit;                   ///< for the root; throws Uncovered where it is another thing
  Importer step = {};              ///< for each of the others, if their shapes are asked for
};
using Found = std::optional<Fusion>;

Found find_gelu(const Nodes& nodes, const Node& root);
Found find_gate(const Nodes& nodes, const Node& root);
Found find_softplus(const Nodes& nodes, const Node& root);
Found find_normalization(const Nodes& nodes, const Node& root);
Found find_clamped_batch_norm(const Nodes& nodes, const Node& root);
Found find_group_norm(const Nodes& nodes, const Node& root);
Found find_distance(const Nodes& nodes, const Node& root);
Found find_variance(const Nodes& nodes, const Node& root);
Found find_uneven_pool(const Nodes& nodes, const Node& root);
Found find_attention(const Nodes& nodes, const Node& softmax);

/// By root. No node is in two of them.
std::map<const Node*, Fusion> find_fusions(const Nodes& nodes);

// ---- for recognisers ----------------------------------------------------------------------------

/// The operand of a node of two that is not `value`; null where neither or both are.
const std::string* other(const Node& node, const std::string& value);
std::optional<Ints> ints_of(const Node& node, const std::string& name);
int64_t int_of(const Node& node, const std::string& name, int64_t otherwise);
double float_of(const Node& node, const std::string& name, double otherwise);

/// x and c of the node x op c, where c is one number; in any order where `op` is Add or Mul.
struct WithNumber {
  const Node* node = nullptr;
  std::string x;
  double c = 0;
};
std::optional<WithNumber> with_number(const Nodes& nodes, const Node* node);

}  // namespace braid::onnx_import
