// Names that were meant: the nearest one, and what Caffe, Keras, YOLO and PyTorch's Python call
// things that have another name here.
#include <algorithm>
#include <cctype>

#include <braid/core/error.h>

namespace braid {
namespace {

struct Foreign {
  std::string_view theirs, ours;
};

/// Several rows of one name: the first that is a candidate counts.
constexpr Foreign foreign[] = {
    // Sections of a file.
    {"backbone", "layers"},
    {"head", "layers"},
    {"model", "layers"},
    {"network", "layers"},
    {"node", "layers"},
    {"nodes", "layers"},
    {"input_features", "inputs"},
    {"output_features", "outputs"},
    {"evaluate", "eval"},
    {"evaluation", "eval"},
    {"validate", "eval"},
    {"criterion", "loss"},
    {"losses", "loss"},
    {"solver", "optimizer"},
    {"optim", "optimizer"},
    {"scheduler", "schedule"},
    {"lr_scheduler", "schedule"},
    {"lr_policy", "schedule"},
    {"random_seed", "seed"},
    {"random_state", "seed"},
    {"num_replicas", "replicas"},
    {"world_size", "replicas"},
    {"gpus", "devices"},
    {"templates", "blocks"},
    {"definitions", "blocks"},
    {"macros", "blocks"},
    {"variables", "params"},
    {"vars", "params"},
    {"hyperparameters", "params"},
    {"dataset", "data"},
    {"datasets", "data"},
    {"trainer", "train"},
    {"training", "train"},
    {"validation", "test"},
    {"valid", "test"},
    {"val", "test"},
    // Keys of training.
    {"learning_rate", "lr"},
    {"base_lr", "lr"},
    {"lr0", "lr"},
    {"decay", "weight_decay"},
    {"epoch", "epochs"},
    {"num_epochs", "epochs"},
    {"max_epochs", "epochs"},
    {"max_iter", "steps"},
    {"iterations", "steps"},
    {"max_steps", "steps"},
    {"accumulate_grad_batches", "accumulate"},
    {"gradient_accumulation_steps", "accumulate"},
    {"iter_size", "accumulate"},
    {"warmup", "warmup_steps"},
    {"file", "path"},
    {"filename", "path"},
    {"source", "path"},
    {"dims", "shape"},
    {"dim", "shape"},
    {"size", "shape"},
    // Keys of items.
    {"bottom", "from"},
    {"input", "from"},
    {"inputs", "from"},
    {"inbound_nodes", "from"},
    {"top", "name"},
    {"id", "name"},
    {"layer", "type"},
    {"module", "type"},
    {"class", "type"},
    {"class_name", "type"},
    {"op", "type"},
    {"op_type", "type"},
    {"block", "use"},
    {"template", "use"},
    {"number", "repeat"},
    {"repeats", "repeat"},
    {"trainable", "freeze"},
    // Parameters.
    {"num_output", "out_channels"},
    {"num_output", "out_features"},
    {"filters", "out_channels"},
    {"filters", "out_features"},
    {"units", "out_features"},
    {"units", "out_channels"},
    {"out_dim", "out_features"},
    {"out_planes", "out_channels"},
    {"strides", "stride"},
    {"kernel", "kernel_size"},
    {"pool_size", "kernel_size"},
    {"ksize", "kernel_size"},
    {"kernel_shape", "kernel_size"},
    {"size", "kernel_size"},
    {"pad", "padding"},
    {"pads", "padding"},
    {"dilation_rate", "dilation"},
    {"dilations", "dilation"},
    {"group", "groups"},
    {"bias_term", "bias"},
    {"use_bias", "bias"},
    {"epsilon", "eps"},
    {"axis", "dim"},
    {"axes", "dim"},
    {"rate", "p"},
    {"dropout_ratio", "p"},
    {"alpha", "negative_slope"},
    {"slope", "negative_slope"},
    {"perm", "dims"},
    {"split", "split_size_or_sections"},
    {"split_size", "split_size_or_sections"},
    {"sections", "split_size_or_sections"},
    {"target_shape", "shape"},
    {"scale", "affine"},
    {"use_global_stats", "track_running_stats"},
    // Types.
    {"Dense", "Linear"},
    {"InnerProduct", "Linear"},
    {"FullyConnected", "Linear"},
    {"Gemm", "Linear"},
    {"Convolution", "Conv2d"},
    {"Conv", "Conv2d"},
    {"Deconvolution", "ConvTranspose2d"},
    {"Conv2DTranspose", "ConvTranspose2d"},
    {"Pooling", "MaxPool2d"},
    {"MaxPool", "MaxPool2d"},
    {"MaxPooling2D", "MaxPool2d"},
    {"AveragePool", "AvgPool2d"},
    {"AveragePooling2D", "AvgPool2d"},
    {"GlobalAveragePooling2D", "AdaptiveAvgPool2d"},
    {"GlobalAveragePool", "AdaptiveAvgPool2d"},
    {"BatchNorm", "BatchNorm2d"},
    {"BatchNormalization", "BatchNorm2d"},
    {"SyncBatchNorm", "BatchNorm2d"},
    {"SynchronizedBatchNorm2d", "BatchNorm2d"},
    {"Eltwise", "Add"},
    {"Shortcut", "Add"},
    {"Concatenate", "Concat"},
    {"Cat", "Concat"},
    {"Route", "Concat"},
    {"UpSampling2D", "Upsample"},
    {"Resize", "Upsample"},
    {"Interpolate", "Upsample"},
    {"View", "Reshape"},
    {"Subtract", "Sub"},
    {"Multiply", "Mul"},
    {"Divide", "Div"},
    {"Bmm", "MatMul"},
    {"Clip", "Clamp"},
    {"Amax", "Max"},
    {"ReduceMax", "Max"},
    {"Amin", "Min"},
    {"ReduceMin", "Min"},
    {"ReduceMean", "Mean"},
    {"ReduceSum", "Sum"},
    {"ExpandDims", "Unsqueeze"},
    {"SoftmaxWithLoss", "CrossEntropy"},
    {"CategoricalCrossentropy", "CrossEntropy"},
    {"SparseCategoricalCrossentropy", "CrossEntropy"},
    {"NLLLoss", "CrossEntropy"},
};

struct Advice {
  std::string_view theirs, text;
};

/// What is said in another way here than by one key.
constexpr Advice advice[] = {
    {"activation", "an activation is an item of its own, below this one: - ReLU"},
    {"inplace", "leave it out: the compiler plans the memory"},
    {"input_shape", "shapes stand in `inputs:`, those of layers follow"},
    {"input_dim", "shapes stand in `inputs:`, those of layers follow"},
    {"data_format", "leave it out: images are [N, channels, height, width]"},
    {"kernel_initializer", "init: {weight: {normal: {std: 0.02}}}"},
    {"bias_initializer", "init: {bias: 0}"},
    {"weight_filler", "init: {weight: {normal: {std: 0.02}}}"},
    {"bias_filler", "init: {bias: 0}"},
    {"kernel_regularizer", "optimizer: {weight_decay: 1e-4}"},
    {"requires_grad", "freeze: true keeps parameters and statistics as they are"},
    {"lr_mult", "optimizer: {groups: [{match: ['name.*'], lr_scale: 2}]}"},
    {"params", "parameters stand by name beside `type`: {type: Conv2d, out_channels: 64}"},
    {"args", "parameters stand by name beside `type`: {type: Conv2d, out_channels: 64}"},
    {"config", "parameters stand by name beside `type`: {type: Conv2d, out_channels: 64}"},
};

char lower(char c) { return char(std::tolower(static_cast<unsigned char>(c))); }

/// Damerau and Levenshtein's distance (adjacent swaps count once), upper and lower case alike.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
      bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                     lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

bool is_among(std::string_view name, std::span<const std::string> candidates) {
  return std::ranges::find(candidates, name) != candidates.end();
}

}  // namespace

std::string translated(std::string_view typed, std::span<const std::string> candidates) {
  for (const Foreign& f : foreign)
    if (typed == f.theirs && is_among(f.ours, candidates)) return std::string(f.ours);
  // nn.Conv2d, keras.layers.Dropout
  size_t dot = typed.rfind('.');
  if (dot == typed.npos) return {};
  std::string_view last = typed.substr(dot + 1);
  return is_among(last, candidates) ? std::string(last) : translated(last, candidates);
}

std::string_view advice_on(std::string_view typed) {
  for (const Advice& a : advice)
    if (typed == a.theirs) return a.text;
  return typed.ends_with("_param") ? "parameters stand by name beside `type`" : "";
}

std::string nearest(std::string_view typed, std::span<const std::string> candidates) {
  constexpr size_t longest = 200;  // nobody mistypes a longer name; keeps hostile input cheap
  if (typed.empty() || typed.size() > longest) return {};
  std::string_view best;
  size_t best_distance = longest;
  for (const std::string& candidate : candidates) {
    if (candidate.empty() || candidate.size() > longest) continue;
    size_t allowed = std::max<size_t>(1, std::max(typed.size(), candidate.size()) / 3);
    if (typed.size() <= 2 && candidate.size() <= 2) allowed = 0;  // `a` is not near `b`
    size_t d = distance(typed, candidate);
    if (d > allowed || d >= best_distance) continue;
    best = candidate;
    best_distance = d;
  }
  return std::string(best);
}

std::string meant(std::string_view typed, std::span<const std::string> candidates) {
  std::string ours = translated(typed, candidates);
  return ours.empty() ? nearest(typed, candidates) : ours;
}

std::string did_you_mean(std::string_view typed, std::span<const std::string> candidates) {
  std::string ours = translated(typed, candidates);
  if (!ours.empty()) return " (here it is called '" + ours + "')";
  std::string near = nearest(typed, candidates);
  return near.empty() ? near : " (did you mean '" + near + "'?)";
}

std::string listed(std::span<const std::string> names) {
  std::string list;
  for (auto& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

}  // namespace braid
