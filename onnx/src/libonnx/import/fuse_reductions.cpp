// Lengths, distances and variances, which are sums of powers.
#include "libonnx/import/fusion.h"
#include "libonnx/import/numbers.h"

namespace braid::onnx_import {
namespace {

/// The p-norm of x over one dimension.
struct Norm {
  std::string x;
  double p = 2;
  int64_t axis = 0;
  bool keep = true;
};

std::optional<Ints> summed(const Nodes& nodes, const Node& sum) {
  return sum.input_size() > 1 ? nodes.integers(sum.input(1)) : ints_of(sum, "axes");
}

std::optional<Norm> norm_of(const Nodes& nodes, const Node* root, std::set<const Node*>& inner) {
  if (!root) return {};
  inner.insert(root);
  Norm norm;
  const Node* sum = root;
  std::string x = root->input(0);
  if (root->op_type() == "Pow") {
    const auto power = with_number(nodes, root);
    sum = power ? nodes.maker(power->x, "ReduceSum") : nullptr;
    const auto powers = sum ? with_number(nodes, nodes.maker(sum->input(0), "Pow")) : std::nullopt;
    const Node* sizes = powers ? nodes.maker(powers->x, "Abs") : nullptr;
    if (!sizes || float(1 / powers->c) != float(power->c)) return {};
    inner.insert({sum, powers->node, sizes});
    norm.p = decimal(powers->c), x = sizes->input(0);
  } else if (root->op_type() == "ReduceL1" || root->op_type() == "ReduceL2") {
    norm.p = root->op_type() == "ReduceL1" ? 1 : 2;
  } else {
    return {};
  }
  const auto axes = summed(nodes, *sum);
  if (!axes || axes->size() != 1) return {};
  norm.x = x, norm.axis = axes->at(0), norm.keep = int_of(*sum, "keepdims", 1) != 0;
  return norm;
}

/// At least `eps`: Max as Braid says it, Clip and Expand as PyTorch does.
std::optional<WithNumber> at_least(const Nodes& nodes, const Node* node, const std::string& like,
                                   std::set<const Node*>& inner) {
  if (node && node->op_type() == "Expand") {
    const Node* shape = nodes.maker(node->input(1), "Shape");
    if (!shape || shape->input(0) != like) return {};
    inner.insert(node);
    node = nodes.maker(node->input(0));
  }
  if (!node) return {};
  inner.insert(node);
  if (node->op_type() == "Max") return with_number(nodes, node);
  const bool open = node->input_size() == 2 || (node->input_size() == 3 && node->input(2).empty());
  if (node->op_type() != "Clip" || !open) return {};
  if (const auto least = nodes.number(node->input(1)))
    return WithNumber{node, node->input(0), *least};
  return {};
}

Found normalize(const Nodes& nodes, const Node& root) {
  Fusion fusion{.root = &root, .reads = {root.input(0)}};
  const std::string x = root.input(0);
  const auto least = at_least(nodes, nodes.maker(root.input(1)), x, fusion.inner);
  const auto norm = least ? norm_of(nodes, nodes.maker(least->x), fusion.inner) : std::nullopt;
  if (!norm || norm->x != x || !norm->keep) return {};
  fusion.emit = [norm = *norm, eps = decimal(least->c)](Importing& i) {
    const Value value = i.operand(norm.x);
    const int64_t dim = i.axis(norm.axis, i.network().type(value).rank());
    i.emit("Normalize", {{"p", norm.p}, {"dim", dim}, {"eps", eps}}, {value});
  };
  return fusion;
}

Found pairwise_distance(const Nodes& nodes, const Node& root) {
  Fusion fusion{.root = &root};
  const auto norm = norm_of(nodes, &root, fusion.inner);
  const auto sum = norm ? with_number(nodes, nodes.maker(norm->x, "Add")) : std::nullopt;
  const Node* apart = sum ? nodes.maker(sum->x, "Sub") : nullptr;
  if (!apart) return {};
  fusion.inner.insert({sum->node, apart});
  fusion.inner.erase(&root);
  fusion.reads = {apart->input(0), apart->input(1)};
  fusion.emit = [norm = *norm, eps = decimal(sum->c), reads = fusion.reads](Importing& i) {
    const Value a = i.operand(reads[0]), b = i.operand(reads[1]);
    const Type type = i.network().type(a);
    if (!(type == i.network().type(b)) ||
        i.axis(norm.axis, type.rank()) + 1 != int64_t(type.rank()))
      cannot("it is no distance of rows");
    i.emit("PairwiseDistance", {{"p", norm.p}, {"eps", eps}, {"keepdim", norm.keep}}, {a, b});
  };
  return fusion;
}

}  // namespace

Found find_distance(const Nodes& nodes, const Node& root) {
  return root.op_type() == "Div" ? normalize(nodes, root) : pairwise_distance(nodes, root);
}

/// Squares of what is apart from the mean: their mean, or their sum over less than their number.
Found find_variance(const Nodes& nodes, const Node& root) {
  Fusion fusion{.root = &root};
  const bool std = root.op_type() == "Sqrt";
  const Node* last = std ? nodes.maker(root.input(0)) : &root;
  const auto over = last && last->op_type() == "Div" ? with_number(nodes, last) : std::nullopt;
  const Node* sum = over ? nodes.maker(over->x, "ReduceSum") : last;
  if (!sum || (!over && sum->op_type() != "ReduceMean")) return {};
  const Node* square = nodes.maker(sum->input(0), "Mul");
  const Node* apart = square ? nodes.maker(square->input(0), "Sub") : nullptr;
  const Node* mean = apart ? nodes.maker(apart->input(1), "ReduceMean") : nullptr;
  const auto axes = summed(nodes, *sum);
  if (!mean || square->input(0) != square->input(1) || mean->input(0) != apart->input(0) ||
      !int_of(*mean, "keepdims", 1) || !axes || axes->empty() || axes != ints_of(*mean, "axes"))
    return {};
  fusion.inner = {last, sum, square, apart, mean};
  fusion.inner.erase(&root);
  fusion.reads = {mean->input(0)};
  const bool keep = int_of(*sum, "keepdims", 1) != 0;
  fusion.emit = [=, axes = *axes, x = mean->input(0)](Importing& i) {
    const Value value = i.operand(x);
    const Shape shape = i.network().type(value).shape;
    int64_t cells = 1, correction = 0;
    Ints dims;
    for (int64_t axis : axes) {
      dims.push_back(i.axis(axis, shape.size()));
      const Dim dim = shape[size_t(dims.back())];
      if (over && dim.batched) cannot("it counts the batch");
      cells *= std::min<int64_t>(dim.value, int64_t{1} << 20);
    }
    if (over) correction = cells - int64_t(over->c);
    if (over && (double(cells - correction) != over->c || correction < 0 || correction > 16))
      cannot("it is no variance");
    i.emit(std ? "Std" : "Var",
           {{"dim", dims.size() == 1 ? Attr(dims[0]) : list(dims)},
            {"correction", correction},
            {"keepdim", keep}},
           {value});
  };
  return fusion;
}

}  // namespace braid::onnx_import
