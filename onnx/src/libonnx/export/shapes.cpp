// Layers know numbers only: free dimensions are found by trying two sizes each.
#include "libonnx/export/shapes.h"

#include <algorithm>
#include <set>

#include <braid/compiler/compile.h>
#include <braid/compiler/sizes.h>
#include <braid/core/error.h>

namespace braid::onnx_export {
namespace {

void check_outputs(const Model& model, const std::vector<std::string>& outputs) {
  if (outputs.empty() && model.outputs.empty())
    throw Error(Fault::model, "E0218", "the network declares no `outputs`, and none is named",
                model.mark);
  std::vector<std::string> known;
  for (auto& out : model.outputs) known.push_back(out.name);
  for (auto& layer : model.layers) known.push_back(layer.path);
  for (auto& name : outputs)
    if (std::ranges::find(known, name) == known.end())
      throw Error(Fault::model, "E0219",
                  "the network has no output or layer '" + name + "'" + did_you_mean(name, known));
}

Graph built(const Model& model, const Registry& registry, const std::vector<std::string>& outputs) {
  Model plain = model;
  plain.precision = {};
  plain.losses.clear();
  plain.metrics.clear();
  plain.train = {};
  Diagnostics found;
  Graph graph =
      build(plain, registry, {.mode = Mode::eval, .goal = Goal::forward, .wanted = outputs}, found);
  found.raise();
  return graph;
}

std::vector<Shape> shapes_of(const Graph& graph) {
  std::vector<Shape> shapes;
  for (auto& value : graph.values) shapes.push_back(value.type.shape);
  return shapes;
}

/// The free dimension that has these sizes, or "?".
std::string name_of(const Model& model, const std::vector<int64_t>& one, int64_t a,
                    const std::vector<int64_t>& two, int64_t b) {
  for (size_t i = 0; i < one.size(); ++i)
    if (a == one[i] && b == two[i] && model.free[i].name.size() <= Dim().name.size())
      return model.free[i].name;
  return "?";
}

/// Those that read a size in their parameters off the shape of their result.
const std::set<std::string> sized = {"Expand", "Reshape", "Slice", "Unflatten"};

void check_same(const Graph& a, const Graph& b) {
  Diagnostics found;
  for (size_t i = 0; i < a.calls.size() && i < b.calls.size(); ++i)
    if (!(Attr(a.calls[i].params) == Attr(b.calls[i].params)) &&
        !sized.contains(a.calls[i].def->name))
      found
          .error("E0371", a.calls[i].mark,
                 "layer '" + a.calls[i].path + "' (" + a.calls[i].def->name +
                     ") cannot be exported to ONNX: its parameters follow from a free size")
          .help("give the dimension a size in the file");
  found.raise();
  ensure(a.values.size() == b.values.size() && a.calls.size() == b.calls.size(),
         "a network is another one for other sizes");
}

}  // namespace

Shaped shape_network(const Model& model, const Registry& registry,
                     const std::vector<std::string>& outputs) {
  check_outputs(model, outputs);
  if (model.free.empty()) {
    Graph graph = built(model, registry, outputs);
    auto shapes = shapes_of(graph);
    return {std::move(graph), std::move(shapes)};
  }
  auto attempt = [&](int64_t least) -> Shaped {
    std::vector<int64_t> one, two;
    for (size_t i = 0; i < model.free.size(); ++i) {
      one.push_back(least * (1 + int64_t(i)));
      two.push_back(least + least / 2 + least * (int64_t(model.free.size()) - 1 - int64_t(i)));
    }
    Graph a = built(with_sizes(model, one), registry, outputs);
    const Graph b = built(with_sizes(model, two), registry, outputs);
    check_same(a, b);
    auto shapes = shapes_of(a);
    for (size_t v = 0; v < shapes.size(); ++v)
      for (size_t d = 0; d < shapes[v].size(); ++d) {
        Dim& dim = shapes[v][d];
        const Dim other = b.values[v].type.shape.at(d);
        if (dim == other) continue;
        const auto name = dim.batched ? "?" : name_of(model, one, dim.value, two, other.value);
        dim.name = Dim::free(name, 1).name;
      }
    return {std::move(a), std::move(shapes)};
  };
  try {
    return attempt(64);
  } catch (const Error&) {  // positions that are learned end somewhere
    try {
      return attempt(8);
    } catch (const Error&) {
    }
    throw;
  }
}

}  // namespace braid::onnx_export
