#include "accuracy/accuracy.h"

#include "ops/channels.h"
#include "ops/labels.h"

namespace braid {
namespace {

/// How many classes are ahead of the target's; the target is among the first k when it is below k.
template <class T>
int64_t rank_of(const T* x, const std::vector<int64_t>& offsets, int64_t label) {
  int64_t rank = 0;
  const T own = x[offsets[size_t(label)]];
  for (int64_t c = 0; c < int64_t(offsets.size()); ++c)
    rank += c != label && ahead(x[offsets[size_t(c)]], own, c < label);
  return rank;
}

template <class T>
KernelBody make_correct(const Signature& s) {
  const View v = view_of(s.in[0]);
  const int64_t k = get_int(s.attrs, "k", 1), ignored = get_int(s.attrs, "ignore_index", -100);
  return [=, offsets = class_offsets(v)](const KernelArgs& a) {
    int64_t correct = 0;
    each_target(v, [&](int64_t target, int64_t first, int64_t sample) {
      const int64_t label = a.in<int64_t>(1)[target];
      if (label == ignored) return;
      if (label < 0 || label >= v.channels)
        label_outside(label, v.channels, a.first_sample + sample);
      correct += rank_of(a.in<T>(0) + first, offsets, label) < k;
    });
    a.out<double>(0)[0] = double(correct);
  };
}

std::vector<int> forward(Builder& b, Call& c) {
  require_classes_and_target(b, c);
  int correct = b.one("correct", c.in, c.params);
  return {b.batch_mean(correct, b.one("xent_count", {c.in[1]}, c.params))};
}

LayerDef layer() {
  const Type label{DType::i64, {N}};
  return {.name = "Accuracy",
          .role = Role::metric,
          .doc =
              "Share of targets whose class is among the k highest of dim 1. Of equal scores "
              "the first class counts as the higher.",
          .formula = "accuracy = mean(argmax_c x_c == target)",
          .inputs = {{"input", "scores: f32 [N, C] or [N, C, d1, ...]"},
                     {"target", "class indices: i64 [N] or [N, d1, ...]"}},
          .params = {{.name = "k",
                      .kind = ParamKind::integer,
                      .doc = "how many of the highest scores count",
                      .fallback = 1,
                      .min = 1},
                     {.name = "ignore_index",
                      .kind = ParamKind::integer,
                      .doc = "targets of this value do not count",
                      .fallback = -100}},
          .forward = forward,
          .samples = {{.inputs = {{DType::f32, {N, 10}}, label}, .classes = 10},
                      {.inputs = {{DType::f32, {N, 4, 7, 5}}, {DType::i64, {N, 7, 5}}},
                       .params = {{"k", 2}, {"ignore_index", 0}},
                       .classes = 4,
                       .note = "a class for each pixel, the first two count"}}};
}

}  // namespace

void register_accuracy(Registry& registry) {
  auto infer = [](const Dict&, std::span<const Type>) {
    return std::vector<Type>{{DType::f64, {1}}};
  };
  registry.add(OpDef{.name = "correct", .infer = infer, .merge = "sum"});
  registry.add(ChannelKernel{.op = "correct", .make = make_correct<float>});
  registry.add(plain_kernel("correct", "reference", make_correct<double>));
  registry.add(layer());
}

}  // namespace braid
