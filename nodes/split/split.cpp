// Split and Chunk: one dimension cut into parts, each of which is an output.
#include <numeric>

#include <braid/core/registry.h>

#include "ops/checks.h"
#include "pad/ops.h"

namespace braid {

void register_split(Registry& registry);

namespace {

struct Cuts {
  size_t dim;
  std::vector<int64_t> sizes;
};

std::vector<int64_t> equal_parts(int64_t cells, int64_t size) {
  std::vector<int64_t> sizes(size_t(cells / size), size);
  if (cells % size) sizes.push_back(cells % size);
  return sizes;
}

Cuts sections(const Builder& b, const Call& call) {
  const Type x = b.type(call.in[0]);
  const size_t dim = resolve_dim(b, x, get_int(call.params, "dim"));
  const int64_t cells = x.shape[dim].value;
  const Attr& typed = *find(call.params, "split_size_or_sections");
  auto refuse = [&](const std::string& why) {
    b.fail("E0280",
           "split_size_or_sections " + to_string(typed) + " of dim " + std::to_string(dim) +
               " of " + to_string(x.shape) + ": " + why,
           "the size of all parts but the last, or a list of sizes that add up to the " +
               std::to_string(cells) + " cells");
  };
  if (typed.is<int64_t>()) {
    if (typed.as_int() < 1) refuse("parts have at least one cell");
    return {dim, equal_parts(cells, typed.as_int())};
  }
  if (!typed.is<Attr::List>() || typed.as_list().empty()) refuse("neither a number nor a list");
  Cuts cuts{dim, {}};
  for (const Attr& size : typed.as_list()) {
    if (!size.is<int64_t>() || size.as_int() < 1) refuse(to_string(size) + " is no size");
    cuts.sizes.push_back(size.as_int());
  }
  const int64_t sum = std::accumulate(cuts.sizes.begin(), cuts.sizes.end(), int64_t{0});
  if (sum != cells) refuse("the sizes add up to " + std::to_string(sum));
  return cuts;
}

Cuts chunks(const Builder& b, const Call& call) {
  const Type x = b.type(call.in[0]);
  const size_t dim = resolve_dim(b, x, get_int(call.params, "dim"));
  const int64_t cells = x.shape[dim].value, count = get_int(call.params, "chunks");
  return {dim, equal_parts(cells, (cells + count - 1) / count)};
}

// How many outputs there are is known only now.
std::shared_ptr<const Ports> ports_of(const Call& call, size_t parts) {
  Ports ports{.inputs = call.def->inputs, .outputs = {}};
  for (size_t i = 0; i < parts; ++i) ports.outputs.push_back({std::to_string(i)});
  return std::make_shared<const Ports>(std::move(ports));
}

std::vector<int> split(Builder& b, Call& call, const Cuts& cuts) {
  call.ports = ports_of(call, cuts.sizes.size());
  std::vector<int> parts;
  int64_t begin = 0;
  for (int64_t size : cuts.sizes) {
    parts.push_back(b.one("slice", {call.in[0]},
                          {{"dim", int64_t(cuts.dim)}, {"begin", begin}, {"size", size}}));
    begin += size;
  }
  return parts;
}

// The gradients side by side; the place of one that is missing is zeros at the end of the one
// before it, or in front of the first.
std::vector<int> joined(Builder& b, const Call& call, const Cuts& cuts, const std::vector<int>& g) {
  Shape shape = b.type(call.in[0]).shape;
  std::vector<int> parts;
  for (size_t i = 0; i < g.size();) {
    std::vector<int64_t> before(shape.size());
    for (; i < g.size() && g[i] < 0; ++i) before[cuts.dim] += cuts.sizes[i];
    if (i == g.size()) return {-1};
    const size_t at = i;
    int64_t cells = before[cuts.dim] + cuts.sizes[at];
    for (++i; i < g.size() && g[i] < 0; ++i) cells += cuts.sizes[i];
    shape[cuts.dim] = cells;
    const bool whole = cells == cuts.sizes[at];
    parts.push_back(whole ? g[at] : pad_gradient(b, g[at], before, shape));
  }
  return {parts.size() > 1 ? b.one("concat", parts, {{"dim", int64_t(cuts.dim)}}) : parts[0]};
}

void set_functions(LayerDef& def, Cuts (*cuts)(const Builder&, const Call&)) {
  def.outputs = {{"0", "the parts in order: `from: NAME.1` takes the second", true}};
  def.forward = [cuts](Builder& b, Call& c) { return split(b, c, cuts(b, c)); };
  def.gradient = [cuts](Builder& b, const Call& c, const std::vector<int>& g) {
    if (!b.needs_gradient(c.in[0])) return std::vector<int>{-1};
    return joined(b, c, cuts(b, c), g);
  };
}

ParamDef dim_param() {
  return {.name = "dim",
          .doc = "counted from 0; negative from the end. Not the batch, which is PyTorch's default",
          .fallback = 1};
}

LayerDef split_layer() {
  const Type image{DType::f32, {N, 20, 4, 3}};
  LayerDef def{.name = "Split",
               .doc =
                   "Cuts one dimension into parts, each of which is an output: [N, 20, H, W] "
                   "with sections [16, 4] gives [N, 16, H, W] and [N, 4, H, W], which others "
                   "take as NAME.0 and NAME.1.",
               .formula = "y_k[n, i] = x[n, i + sizes of the parts before k]",
               .source = "torch.split",
               .inputs = {{"input", "of any dtype; a gradient needs f32"}},
               .params = {{.name = "split_size_or_sections",
                           .kind = ParamKind::any,
                           .doc = "cells of each part, the last of which may be smaller, or a list "
                                  "of their sizes"},
                          dim_param()}};
  set_functions(def, sections);
  def.samples = {{.inputs = {image}, .params = {{"split_size_or_sections", Attr::List{3, 16, 1}}}},
                 {.inputs = {{DType::f32, {N, 3, 7}}},
                  .params = {{"split_size_or_sections", 3}, {"dim", -1}},
                  .note = "equal parts, and what is left"},
                 {.inputs = {{DType::f32, {5, 2}}},
                  .params = {{"split_size_or_sections", 4}, {"dim", 0}},
                  .note = "without a batch"}};
  return def;
}

LayerDef chunk_layer() {
  LayerDef def{.name = "Chunk",
               .doc =
                   "Cuts one dimension into as many equal parts, each of which is an output: "
                   "[N, 8] in 2 chunks gives [N, 4] and [N, 4], which others take as NAME.0 and "
                   "NAME.1. The last may be smaller, and where rounding up leaves nothing for "
                   "it there are fewer, as in PyTorch.",
               .formula = "Split with split_size ceil(cells / chunks)",
               .source = "torch.chunk",
               .inputs = {{"input", "of any dtype; a gradient needs f32"}},
               .params = {{.name = "chunks", .doc = "how many parts", .min = 1}, dim_param()}};
  set_functions(def, chunks);
  def.samples = {{.inputs = {{DType::f32, {N, 8}}}, .params = {{"chunks", 2}}},
                 {.inputs = {{DType::f32, {N, 3, 7}}},
                  .params = {{"chunks", 4}, {"dim", 2}},
                  .note = "the last is smaller"},
                 {.inputs = {{DType::f32, {N, 5, 2}}},
                  .params = {{"chunks", 4}},
                  .note = "three of them: two cells each, and one"}};
  return def;
}

}  // namespace

void register_split(Registry& registry) {
  registry.add(split_layer());
  registry.add(chunk_layer());
}

}  // namespace braid
