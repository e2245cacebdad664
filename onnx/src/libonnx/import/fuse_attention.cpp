// The nodes around a Softmax that may be an attention of the library: the projections in front, the
// one behind, and what moves features between them. Whether they are one, attention.cpp says.
#include <algorithm>

#include "libonnx/import/fusion.h"
#include "libonnx/import/view.h"

namespace braid::onnx_import {
namespace {

constexpr int longest = 24;

bool moves(const Node& node) {
  static const std::set<std::string> ops{"Gather",  "Reshape",   "Slice",    "Split",
                                         "Squeeze", "Transpose", "Unsqueeze"};
  return ops.contains(node.op_type()) && node.input_size();
}

/// Samples and rows in each other's places.
bool swaps(const Node* node) {
  return node && node->op_type() == "Transpose" && ints_of(*node, "perm") == Ints{1, 0, 2};
}

class Search {
 public:
  Search(const Nodes& nodes, const Node& softmax) : nodes_(nodes), softmax_(softmax) {}

  Found run() {
    fusion_.inner.insert(&softmax_);
    const Node* mixing = reader(softmax_);
    if (!mixing || mixing->op_type() != "MatMul" || mixing->input(0) != softmax_.output(0))
      return {};
    const Node* scores = scores_of(softmax_.input(0));
    if (!scores || !back(scores->input(0)) || !back(scores->input(1)) || !back(mixing->input(1)))
      return {};
    fusion_.inner.insert(scores);
    fusion_.root = last(mixing);
    if (!fusion_.root) return {};
    fusion_.inner.erase(fusion_.root);
    fusion_.emit = [softmax = &softmax_](Importing& i) {
      i.name_after(*softmax);
      emit_attention(i);
    };
    fusion_.step = attend;
    return fusion_;
  }

 private:
  /// The only node that reads a result, but for its shape.
  const Node* reader(const Node& node) const {
    const Node* found = nullptr;
    for (auto* each : nodes_.readers(node.output(0))) {
      if (!each || (found && each != found)) return nullptr;
      if (each->op_type() != "Shape") found = each;
    }
    return found;
  }

  const Node* scores_of(const std::string& value) {
    const Node* node = nodes_.maker(value);
    if (node && (node->op_type() == "Mul" || node->op_type() == "Div"))
      if (const auto scaled = with_number(nodes_, node)) {
        fusion_.inner.insert(node);
        node = nodes_.maker(scaled->x);
      }
    if (node && node->op_type() == "Where" && node->input_size() == 3) {
      fusion_.inner.insert(node);
      const Node* mask = nodes_.maker(node->input(0), "Unsqueeze");
      if (!mask) return nullptr;
      fusion_.inner.insert(mask);
      fusion_.reads.push_back(mask->input(0));
      node = nodes_.maker(node->input(2));
    }
    return node && node->op_type() == "MatMul" && node->input_size() == 2 ? node : nullptr;
  }

  /// To the input that the projection is of.
  bool back(std::string value) {
    for (int k = 0; k < longest; ++k) {
      const Node* node = nodes_.maker(value);
      if (!node || !node->input_size()) return false;
      fusion_.inner.insert(node);
      const auto& op = node->op_type();
      if (op == "MatMul" && node->input_size() == 2 && nodes_.constant(node->input(1)))
        return begin(node->input(0));
      const bool sum = op == "Add" || op == "Mul" || op == "Div";
      if (!sum && !moves(*node)) return false;
      const bool second = sum && nodes_.constant(node->input(0));
      if (sum && !second && !nodes_.constant(node->input(1))) return false;
      value = node->input(second ? 1 : 0);
    }
    return false;
  }

  bool begin(const std::string& value) {
    const Node* node = nodes_.maker(value);
    if (swaps(node)) fusion_.inner.insert(node);
    fusion_.reads.push_back(swaps(node) ? node->input(0) : value);
    return true;
  }

  bool projects(const Node& node) const {
    const auto& op = node.op_type();
    return (op == "MatMul" || op == "Gemm") && node.input_size() >= 2 &&
           nodes_.constant(node.input(1));
  }

  /// Through what moves to the projection, and to samples in front where they are not.
  const Node* last(const Node* node) {
    for (int k = 0; k < longest && node && !projects(*node); ++k) {
      fusion_.inner.insert(node);
      node = reader(*node);
      if (node && !moves(*node) && !projects(*node)) return nullptr;
    }
    if (!node || !projects(*node)) return nullptr;
    fusion_.inner.insert(node);
    const Node* next = reader(*node);
    if (next && node->op_type() == "MatMul" && next->op_type() == "Add" &&
        other(*next, node->output(0)) && nodes_.constant(*other(*next, node->output(0)))) {
      fusion_.inner.insert(next);
      node = next;
      next = reader(*node);
    }
    const Node* after = next && next->op_type() == "Reshape" ? reader(*next) : next;
    if (!swaps(after)) return node;
    fusion_.inner.insert(next);
    return after;
  }

  const Nodes& nodes_;
  const Node& softmax_;
  Fusion fusion_ = {};
};

}  // namespace

Found find_attention(const Nodes& nodes, const Node& softmax) {
  if (softmax.input_size() != 1 || softmax.output_size() != 1) return {};
  return Search(nodes, softmax).run();
}

}  // namespace braid::onnx_import
