// Pad: cells of one value around a tensor.
#include "ops/checks.h"
#include "pad/ops.h"

namespace braid {
namespace {

struct Padding {
  std::vector<int64_t> before, after;
};

// Pairs from the last dimension on.
Padding padding_of(Builder& b, const Call& call) {
  const Shape& x = b.type(call.in[0]).shape;
  const auto typed = get_ints(call.params, "pad");
  const std::string shown = to_string(*find(call.params, "pad"));
  if (typed.size() % 2)
    b.fail("E0276", "pad " + shown + " has " + std::to_string(typed.size()) + " numbers",
           "two for each dimension, before and after, beginning with the last dimension");
  if (typed.size() / 2 > x.size())
    b.fail("E0276",
           "pad " + shown + " names " + std::to_string(typed.size() / 2) +
               " dimensions, and the input is " + to_string(x),
           "two numbers for each dimension, beginning with the last");
  Padding p{std::vector<int64_t>(x.size()), std::vector<int64_t>(x.size())};
  for (size_t k = 0; k < typed.size() / 2; ++k) {
    const size_t d = x.size() - 1 - k;
    p.before[d] = typed[2 * k];
    p.after[d] = typed[2 * k + 1];
    if (x[d].batched && (p.before[d] || p.after[d]))
      b.fail("E0232",
             "pad " + shown + " adds to dimension " + std::to_string(d) + " of " + to_string(x) +
                 ", the batch, of which replicas hold slices",
             "leave its two numbers out, or 0");
    if (x[d].value + p.before[d] + p.after[d] < 1)
      b.fail("E0276",
             "pad " + shown + " leaves nothing of dimension " + std::to_string(d) + " of " +
                 to_string(x),
             "numbers below 0 cut off");
  }
  return p;
}

Shape padded(Shape shape, const Padding& p) {
  for (size_t d = 0; d < shape.size(); ++d) shape[d].value += p.before[d] + p.after[d];
  return shape;
}

std::vector<int> forward(Builder& b, Call& call) {
  require_f32(b, call, 0);
  const Padding p = padding_of(b, call);
  return {pad(b, call.in[0], p.before, padded(b.type(call.in[0]).shape, p),
              get_double(call.params, "value"))};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  auto before = padding_of(b, call).before;
  for (int64_t& cells : before) cells = -cells;
  return {pad_gradient(b, g[0], before, b.type(call.in[0]).shape)};
}

}  // namespace

void register_pad(Registry& registry) {
  register_pad_ops(registry);
  register_pad_kernels(registry);
  register_pad_reference(registry);
  registry.add(LayerDef{
      .name = "Pad",
      .doc = "Puts cells of one value before and after dimensions; numbers below 0 cut off. Not "
             "for the batch.",
      .formula = "y[i] = x[i - before], or value where x has no such cell",
      .source = "torch.nn.functional.pad, mode constant",
      .inputs = {{"input", "f32"}},
      .params = {{.name = "pad",
                  .kind = ParamKind::integers,
                  .doc = "cells before and after the last dimension, then the one before it, ..."},
                 {.name = "value",
                  .kind = ParamKind::number,
                  .doc = "what the new cells hold",
                  .fallback = 0.0}},
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {{DType::f32, {N, 3, 4, 5}}},
                   .params = {{"pad", Attr::List{1, 2, 0, 3}}, {"value", 0.5}}},
                  {.inputs = {{DType::f32, {N, 4, 1, 1, 3}}},
                   .params = {{"pad", Attr::List{0, 0, 0, 0, 0, 0, 1, 0}}},
                   .note = "one cell before the channels"},
                  {.inputs = {{DType::f32, {N, 5, 6}}},
                   .params = {{"pad", Attr::List{-2, 1, 2, -1}}},
                   .note = "cut off on one side, added on the other"}}});
}

}  // namespace braid
