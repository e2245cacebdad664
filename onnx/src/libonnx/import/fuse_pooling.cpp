// AdaptiveAvgPool with windows of different sizes, which are products with constant shares.
#include "libonnx/import/fusion.h"

namespace braid::onnx_import {
namespace {

/// Row i of [to, from] has the shares of the cells whose mean is cell i; `turned` = [from, to].
bool are_means(const Known& shares, bool turned) {
  if (!shares.floating || shares.dims.size() != 2) return false;
  const int64_t to = shares.dims[turned], from = shares.dims[!turned];
  for (int64_t i = 0; i < to; ++i) {
    const int64_t begin = i * from / to, end = ((i + 1) * from + to - 1) / to;
    for (int64_t k = 0; k < from; ++k) {
      const bool within = k >= begin && k < end;
      const float share = shares.floats[size_t(turned ? k * to + i : i * from + k)];
      if (share != (within ? float(1.0 / double(end - begin)) : 0)) return false;
    }
  }
  return to > 0;
}

}  // namespace

Found find_uneven_pool(const Nodes& nodes, const Node& root) {
  if (root.input_size() != 2 || !nodes.maker(root.input(1), "Constant")) return {};
  const Node* rows = nodes.maker(root.input(0), "MatMul");
  if (rows && (rows->input_size() != 2 || !nodes.maker(rows->input(0), "Constant"))) rows = nullptr;
  const std::string x = rows ? rows->input(1) : root.input(0);
  Fusion fusion{.root = &root, .reads = {x}};
  if (rows) fusion.inner = {rows};
  fusion.emit = [=, left = rows ? rows->input(0) : "", right = root.input(1)](Importing& i) {
    auto known = [&](const std::string& name) { return i.network().values.at(name).known; };
    const Value value = i.operand(x);
    const size_t rank = i.network().type(value).rank();
    const auto width = known(right), height = left.empty() ? width : known(left);
    if (rank != (left.empty() ? 3 : 4) || !width || !height || !are_means(*width, true) ||
        (!left.empty() && !are_means(*height, false)))
      cannot("it is no mean of windows");
    if (left.empty())
      return i.emit("AdaptiveAvgPool1d", {{"output_size", width->dims[1]}}, {value});
    i.emit("AdaptiveAvgPool2d", {{"output_size", short_list({height->dims[0], width->dims[1]})}},
           {value});
  };
  return fusion;
}

}  // namespace braid::onnx_import
