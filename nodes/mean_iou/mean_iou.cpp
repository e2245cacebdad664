#include "mean_iou/mean_iou.h"

#include <algorithm>

#include "ops/channels.h"
#include "ops/labels.h"

namespace braid {
namespace {

/// The highest of a point's scores.
template <class T>
int64_t argmax(const T* x, const std::vector<int64_t>& offsets) {
  int64_t best = 0;
  T most = x[0];
  for (size_t c = 1; c < offsets.size(); ++c) {
    const T own = x[offsets[c]];
    if (leads(own, most)) best = int64_t(c), most = own;
  }
  return best;
}

/// Whole numbers below 2^53 in f64: added up in any order, they give the same bits.
template <class T>
KernelBody make_overlap(const Signature& s) {
  const View v = view_of(s.in[0]);
  const int64_t ignored = get_int(s.attrs, "ignore_index", -100), classes = v.channels;
  return [=, offsets = class_offsets(v)](const KernelArgs& a) {
    double *both = a.out<double>(0), *predicted = both + classes, *wanted = predicted + classes;
    std::fill_n(both, 3 * classes, 0.0);
    each_target(v, [&](int64_t target, int64_t first, int64_t sample) {
      const int64_t label = a.in<int64_t>(1)[target];
      if (label == ignored) return;
      if (label < 0 || label >= classes) label_outside(label, classes, a.first_sample + sample);
      const int64_t best = argmax(a.in<T>(0) + first, offsets);
      ++wanted[label];
      ++predicted[best];
      both[label] += best == label;
    });
  };
}

std::vector<int> forward(Builder& b, Call& c) {
  require_classes_and_target(b, c);
  const Type input = b.type(c.in[0]);
  const Attr* classes = find(c.params, "num_classes");
  if (classes && !classes->is_null() && classes->as_int() != input.shape[1].value)
    b.fail("E0261",
           "num_classes is " + to_string(*classes) + ", the input has " +
               to_string(input.shape[1]) + " classes: " + to_string(input),
           "num_classes: " + to_string(input.shape[1]) +
               ", or leave it out: it follows from the input");
  return {b.one("overlap", c.in, c.params)};
}

LayerDef layer() {
  return {.name = "MeanIoU",
          .role = Role::metric,
          .doc =
              "Intersection over union of the class with the highest score and the target's, taken "
              "over all targets that were measured, then averaged over the classes that occur "
              "among predictions or targets; 0 where none does.",
          .formula = "IoU_c = |predicted c and target c| / |predicted c or target c|",
          .source = "Everingham et al., The Pascal Visual Object Classes Challenge, 2015",
          .inputs = {{"input", "scores: f32 [N, C] or [N, C, d1, ...]"},
                     {"target", "class indices: i64 [N] or [N, d1, ...]"}},
          .params = {{.name = "num_classes",
                      .kind = ParamKind::integer,
                      .doc = "C; follows from the input",
                      .optional = true,
                      .min = 1},
                     {.name = "ignore_index",
                      .kind = ParamKind::integer,
                      .doc = "targets of this value, and what is predicted there, do not count",
                      .fallback = -100}},
          .forward = forward,
          .finish = mean_iou,
          .samples = {{.inputs = {{DType::f32, {N, 4, 7, 5}}, {DType::i64, {N, 7, 5}}},
                       .params = {{"num_classes", 4}, {"ignore_index", 2}},
                       .classes = 4,
                       .note = "a class for each pixel, one class ignored"},
                      {.inputs = {{DType::f32, {N, 20}}, {DType::i64, {N}}},
                       .classes = 20,
                       .note = "one target a sample"}}};
}

}  // namespace

double mean_iou(std::span<const double> counts) {
  const size_t classes = counts.size() / 3;
  double sum = 0, occurring = 0;
  for (size_t c = 0; c < classes; ++c) {
    const double both = counts[c], either = counts[classes + c] + counts[2 * classes + c] - both;
    if (either == 0) continue;
    sum += both / either;
    ++occurring;
  }
  return occurring > 0 ? sum / occurring : 0;
}

void register_mean_iou(Registry& registry) {
  auto infer = [](const Dict&, std::span<const Type> in) {
    return std::vector<Type>{{DType::f64, {3, in[0].shape[1]}}};
  };
  registry.add(OpDef{.name = "overlap", .infer = infer, .merge = "sum"});
  registry.add(ChannelKernel{.op = "overlap", .make = make_overlap<float>});
  registry.add(plain_kernel("overlap", "reference", make_overlap<double>));
  registry.add(layer());
}

}  // namespace braid
