// Concat: inputs side by side along one dimension.
#include "concat/ops.h"
#include "ops/checks.h"

namespace braid {
namespace {

// Everything outside `dim` has to agree; the message shows every input, as the conflict may be
// between any two of them.
[[noreturn]] void disagree(Builder& b, const Call& call, size_t dim) {
  Mark mark = call.mark;
  std::vector<Diagnostic> found(1);
  found[0].code = "E0203";
  found[0].mark = mark;
  found[0].message =
      "layer '" + call.path + "': Concat inputs disagree outside dim " + std::to_string(dim);
  for (size_t i = 0; i < call.in.size(); ++i) {
    const Graph& graph = b.graph();
    const Value& value = graph.values[size_t(call.in[i])];
    std::string name = value.input >= 0 ? graph.inputs[size_t(value.input)].name : "";
    Mark from;
    if (value.node >= 0) {
      const Node& node = graph.nodes[size_t(value.node)];
      name = node.label;
      if (node.call >= 0) from = graph.calls[size_t(node.call)].mark;
    }
    found[0].note(from,
                  "input " + std::to_string(i) + "  '" + name + "'  " + to_string(value.type));
  }
  found[0].help("all inputs need the same dtype and, but for dim " + std::to_string(dim) +
                ", the same sizes; pool, stride or upsample the larger or smaller one");
  throw Error(Fault::model, std::move(found));
}

std::vector<int> forward(Builder& b, Call& call) {
  if (call.in.empty()) b.fail("E0203", "Concat has no inputs", "give it a list: from: [a, b]");
  const Type& first = b.type(call.in[0]);
  size_t dim = resolve_dim(b, first, get_int(call.params, "dim"));
  for (int value : call.in) {
    Type other = b.type(value);
    if (dim < other.rank()) other.shape[dim] = first.shape[dim];
    if (!(other == first)) disagree(b, call, dim);
  }
  return b.add("concat", call.in, {{"dim", int64_t(dim)}});
}

// Each input's gradient is its part of the result's.
std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  std::vector<int> gradients(call.in.size(), -1);
  if (g[0] < 0) return gradients;
  size_t dim = resolve_dim(b, b.type(call.in[0]), get_int(call.params, "dim"));
  int64_t begin = 0;
  for (size_t i = 0; i < call.in.size(); ++i) {
    int64_t size = b.type(call.in[i]).shape[dim].value;
    if (b.needs_gradient(call.in[i]))
      gradients[i] =
          b.one("slice", {g[0]}, {{"dim", int64_t(dim)}, {"begin", begin}, {"size", size}});
    begin += size;
  }
  return gradients;
}

std::vector<Sample> samples() {
  auto image = [](int64_t channels, int64_t height, int64_t width) {
    return Type{DType::f32, {N, channels, height, width}};
  };
  return {{.inputs = {image(1, 7, 5), image(3, 7, 5)}, .note = "channels"},
          {.inputs = {image(16, 3, 4), image(20, 3, 4), image(4, 3, 4)},
           .note = "three inputs; blocks end inside the last two"},
          {.inputs = {image(2, 3, 4), image(2, 5, 4)},
           .params = {{"dim", 2}},
           .note = "one above the other"},
          {.inputs = {{DType::f32, {N, 3}}, {DType::f32, {N, 4}}}, .params = {{"dim", -1}}}};
}

}  // namespace

void register_concat(Registry& registry) {
  register_concat_ops(registry);
  register_concat_kernels(registry);
  register_concat_references(registry);
  registry.add(LayerDef{
      .name = "Concat",
      .doc = "The inputs side by side along dim: [N, 3, H, W] and [N, 5, H, W] give [N, 8, H, W]. "
             "All other sizes agree. Not over the batch: replicas hold slices of it.",
      .formula = "y = [x0, x1, ...] along dim",
      .source = "torch.cat",
      .inputs = {{.name = "inputs", .doc = "one or more", .variadic = true}},
      .params = {{.name = "dim", .doc = "counted from 0; negative from the end", .fallback = 1}},
      .forward = forward,
      .gradient = gradient,
      .samples = samples()});
}

}  // namespace braid
