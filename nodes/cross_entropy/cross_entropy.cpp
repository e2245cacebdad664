#include "cross_entropy/cross_entropy.h"

#include "ops/checks.h"
#include "ops/labels.h"

namespace braid {
namespace {

const Type scalar{DType::f64, {1}};

std::vector<int> forward(Builder& b, Call& c) {
  require_classes_and_target(b, c);
  auto xent = b.add("xent", c.in, c.params);
  int count = b.one("xent_count", {c.in[1]}, c.params);
  c.saved = {{"p", xent[0]}, {"count", count}};
  return {b.batch_mean(xent[1], count)};
}

std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>&) {
  return {b.one("xent_grad", {c.saved.at("p"), c.in[1], c.saved.at("count")}, c.params), -1};
}

LayerDef layer() {
  const Type image{DType::f32, {N, 3, 7, 5}}, labels{DType::i64, {N, 7, 5}};
  const Type logits{DType::f32, {N, 10}}, label{DType::i64, {N}};
  return {
      .name = "CrossEntropy",
      .role = Role::loss,
      .doc =
          "Cross entropy between the softmax of the input over dim 1 and a class index, averaged "
          "over all targets of the batch (on all replicas) that are not ignored.",
      .formula = "loss = mean(log(sum_c exp(x_c)) - x_target)",
      .source =
          "Bridle, Probabilistic Interpretation of Feedforward Classification Network "
          "Outputs, 1990; label smoothing: Szegedy et al., Rethinking the Inception "
          "Architecture for Computer Vision, 2016",
      .inputs = {{"input", "logits: f32 [N, C] or [N, C, d1, ...]"},
                 {"target", "class indices: i64 [N] or [N, d1, ...]"}},
      .params = {{.name = "label_smoothing",
                  .kind = ParamKind::number,
                  .doc = "share of the target that is spread evenly over all classes",
                  .fallback = 0.0,
                  .min = 0,
                  .max = 1},
                 {.name = "ignore_index",
                  .kind = ParamKind::integer,
                  .doc = "targets of this value count neither in the loss nor in its mean",
                  .fallback = -100},
                 {.name = "factor",
                  .kind = ParamKind::number,
                  .doc = "multiplies the loss",
                  .fallback = 1.0}},
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {logits, label}, .classes = 10},
                  {.inputs = {image, labels},
                   .params = {{"ignore_index", 1}, {"factor", 0.5}},
                   .classes = 3,
                   .note = "a class for each pixel, one class ignored"},
                  {.inputs = {{DType::f32, {N, 1}}, label}, .classes = 1, .note = "one class"},
                  {.inputs = {logits, label},
                   .params = {{"label_smoothing", 0.1}},
                   .classes = 10,
                   .note = "label smoothing"}}};
}

}  // namespace

KernelBody make_xent_count(const Signature& s) {
  int64_t n = s.in[0].elements(), ignored = get_int(s.attrs, "ignore_index", -100);
  return [=](const KernelArgs& a) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; ++i) count += a.in<int64_t>(0)[i] != ignored;
    a.out<double>(0)[0] = double(count);
  };
}

void register_cross_entropy(Registry& registry) {
  auto infer = [](const Dict&, std::span<const Type> in) { return std::vector{in[0], scalar}; };
  auto infer_count = [](const Dict&, std::span<const Type>) { return std::vector{scalar}; };
  registry.add(OpDef{.name = "xent", .infer = infer, .merge = "sum"});
  registry.add(OpDef{.name = "xent_count", .infer = infer_count, .merge = "sum"});
  registry.add(OpDef{.name = "xent_grad", .infer = same_type});
  register_cross_entropy_kernels(registry);
  register_cross_entropy_references(registry);
  for (const char* device : {"cpu", "reference"})
    registry.add(plain_kernel("xent_count", device, make_xent_count));
  registry.add(layer());
}

}  // namespace braid
