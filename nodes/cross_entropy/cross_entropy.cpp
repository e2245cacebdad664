#include "cross_entropy/cross_entropy.h"

#include "ops/checks.h"
#include "ops/labels.h"

namespace braid {
namespace {

const Type scalar{DType::f64, {1}};

void require_weights(const Builder& b, const Call& c) {
  const auto weights = get_doubles(c.params, "weight");
  const int64_t classes = b.type(c.in[0]).shape[1].value;
  if (weights.empty() || int64_t(weights.size()) == classes) return;
  b.fail("E0260",
         "weight has " + std::to_string(weights.size()) + " numbers, the input has " +
             std::to_string(classes) + " classes: " + to_string(b.type(c.in[0])),
         "give one weight for each class, in the order of the input's channels");
}

std::vector<int> forward(Builder& b, Call& c) {
  require_classes_and_target(b, c);
  require_weights(b, c);
  auto xent = b.add("xent", c.in, c.params);
  int count = b.one("xent_count", {c.in[1]}, c.params);
  c.saved = {{"p", xent[0]}, {"count", count}};
  return {b.batch_mean(xent[1], count)};
}

std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>&) {
  return {b.one("xent_grad", {c.saved.at("p"), c.in[1], c.saved.at("count")}, c.params), -1};
}

/// Weights for a sample: 0.1, 0.2, ...
Attr ramp(int classes) {
  Attr::List weights;
  for (int c = 1; c <= classes; ++c) weights.emplace_back(c * 0.1);
  return weights;
}

LayerDef layer() {
  const Type image{DType::f32, {N, 3, 7, 5}}, labels{DType::i64, {N, 7, 5}};
  const Type logits{DType::f32, {N, 10}}, label{DType::i64, {N}};
  return {
      .name = "CrossEntropy",
      .role = Role::loss,
      .doc =
          "Cross entropy between the softmax of the input over dim 1 and a class index, averaged "
          "over all targets of the batch (on all replicas) that are not ignored, as PyTorch's: "
          "with class weights a weighted mean, and 0 where no target counts.",
      .formula =
          "loss = sum(weight_target * (log(sum_c exp(x_c)) - x_target)) /"
          " sum(weight_target)",
      .source =
          "Bridle, Probabilistic Interpretation of Feedforward Classification Network "
          "Outputs, 1990; label smoothing: Szegedy et al., Rethinking the Inception "
          "Architecture for Computer Vision, 2016",
      .inputs = {{"input", "logits: f32 [N, C] or [N, C, d1, ...]"},
                 {"target", "class indices: i64 [N] or [N, d1, ...]"}},
      .params = {{.name = "weight",
                  .kind = ParamKind::numbers,
                  .doc = "how much each class counts, one number for each; 1 without",
                  .optional = true,
                  .min = 0},
                 {.name = "label_smoothing",
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
                   .note = "label smoothing"},
                  {.inputs = {image, labels},
                   .params = {{"weight", Attr::List{0.5, 2.0, 0.0}}, {"ignore_index", 0}},
                   .classes = 3,
                   .note = "classes count by weight, one not at all"},
                  {.inputs = {{DType::f32, {N, 20, 9, 8}}, {DType::i64, {N, 9, 8}}},
                   .params = {{"weight", ramp(20)}, {"label_smoothing", 0.3}},
                   .classes = 20,
                   .note = "weights and smoothing, more points than a tile"}}};
}

}  // namespace

KernelBody make_xent_count(const Signature& s) {
  const int64_t n = s.in[0].elements(), ignored = get_int(s.attrs, "ignore_index", -100);
  return [=, weights = get_doubles(s.attrs, "weight")](const KernelArgs& a) {
    double count = 0;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t label = a.in<int64_t>(0)[i];
      if (label == ignored) continue;
      // A label outside the classes is told by "xent": here it only must not be looked up.
      const bool known = label >= 0 && label < int64_t(weights.size());
      count += weights.empty() ? 1 : known ? weights[size_t(label)] : 0;
    }
    a.out<double>(0)[0] = count;
  };
}

void register_cross_entropy(Registry& registry) {
  auto infer = [](const Dict&, std::span<const Type> in) { return std::vector{in[0], scalar}; };
  auto infer_count = [](const Dict&, std::span<const Type>) { return std::vector{scalar}; };
  registry.add(OpDef{.name = "xent", .infer = infer, .merge = "sum"});
  registry.add(OpDef{.name = "xent_count", .infer = infer_count, .merge = "sum"});
  registry.add(OpDef{.name = "xent_grad", .infer = same_type});
  register_cross_entropy_kernels(registry);
  register_cross_entropy_gradient(registry);
  register_cross_entropy_references(registry);
  for (const char* device : {"cpu", "reference"})
    registry.add(plain_kernel("xent_count", device, make_xent_count));
  registry.add(layer());
}

}  // namespace braid
