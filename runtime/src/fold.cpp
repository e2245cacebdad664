#include <braid/runtime/fold.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <braid/compiler/positions.h>

namespace braid {
namespace {

using Tensors = std::map<std::string, Array>;

[[noreturn]] void refuse(const Fold& fold, const std::string& message) {
  throw Error(Fault::data, "E0294",
              "'" + fold.norm + "' cannot be folded into '" + fold.layer + "': " + message,
              fold.mark)
      .help("`braid weights FILE` lists what a file holds, `braid check NET` what the model has");
}

Array& tensor(const Fold& fold, Tensors& weights, const std::string& key) {
  auto found = weights.find(key);
  if (found == weights.end()) refuse(fold, "there is no tensor '" + key + "'");
  if (found->second.dtype != DType::f32)
    refuse(fold, "'" + key + "' is " + to_string(found->second) + ", and f32 is needed");
  return found->second;
}

std::vector<double> row(const Fold& fold, Tensors& weights, const std::string& key,
                        int64_t channels) {
  const Array& array = tensor(fold, weights, key);
  if (array.dims != std::vector{channels})
    refuse(fold, "'" + key + "' is " + to_string(array) + ", and the layer has " +
                     std::to_string(channels) + " channels");
  auto values = array.as<float>();
  return {values.begin(), values.end()};
}

// The layer's weight as it lies in memory: `outer` x `inner` rows of `length` elements that belong
// to one output channel.
struct Rows {
  int64_t outer, inner, length, channels, groups;
  bool transposed;

  Rows(const Fold& fold, const std::string& key, const Array& weight) {
    auto& dims = weight.dims;
    transposed = fold.weight_axis == 1;
    if (dims.size() < 2 || std::ranges::min(dims) < 1 || dims[0] % fold.groups)
      refuse(fold, "'" + key + "' is " + to_string(weight));
    groups = fold.groups;
    outer = dims[0], inner = dims[1];
    length = weight.elements() / (outer * inner);
    channels = transposed ? inner * groups : outer;
  }

  // [out, in / groups, ...], or [in, out / groups, ...], whose groups are blocks of both.
  int64_t channel(int64_t i, int64_t j) const {
    return transposed ? i / (outer / groups) * inner + j : i;
  }
};

void apply(const Fold& fold, Tensors& weights) {
  std::string weight_key = fold.layer + ".weight", bias_key = fold.layer + ".bias";
  Array& weight = tensor(fold, weights, weight_key);
  Rows rows(fold, weight_key, weight);
  auto channels = size_t(rows.channels);
  auto norm = [&](const char* name) {
    return row(fold, weights, fold.norm + "." + name, rows.channels);
  };
  auto mean = norm("running_mean"), variance = norm("running_var");
  auto scale = fold.affine ? norm("weight") : std::vector<double>(channels, 1);
  auto shift = fold.affine ? norm("bias") : std::vector<double>(channels, 0);
  auto bias = fold.had_bias ? row(fold, weights, bias_key, rows.channels)
                            : std::vector<double>(channels, 0);
  for (size_t c = 0; c < channels; ++c) {
    double spread = fold.clamp ? std::max(variance[c], fold.eps) : variance[c] + fold.eps;
    scale[c] /= std::sqrt(spread);
  }
  auto w = weight.as<float>();
  for (int64_t i = 0; i < rows.outer; ++i)
    for (int64_t j = 0; j < rows.inner; ++j)
      for (int64_t k = 0; k < rows.length; ++k) {
        float& element = w[size_t((i * rows.inner + j) * rows.length + k)];
        element = float(double(element) * scale[size_t(rows.channel(i, j))]);
      }
  Array folded = Array::zeros(DType::f32, {rows.channels});
  for (size_t c = 0; c < channels; ++c)
    folded.as<float>()[c] = float((bias[c] - mean[c]) * scale[c] + shift[c]);
  weights.insert_or_assign(bias_key, std::move(folded));
  for (const char* name : {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"})
    weights.erase(fold.norm + "." + name);
}

}  // namespace

std::map<std::string, Array> fold_weights(const std::vector<Fold>& folds, Tensors weights) {
  for (auto& fold : folds) apply(fold, weights);
  return weights;
}

FoldReport fold_batch_norms(Model& model, Tensors& weights, const Registry& registry,
                            const std::vector<std::string>& keep) {
  Model folded = model;
  auto report = fold_batch_norms(folded, registry, keep);
  weights = fold_weights(report.folds, weights);
  model = std::move(folded);
  return report;
}

FoldedSession fold_batch_norms(Session& session, const std::vector<std::string>& keep) {
  Model model = session.model();
  auto weights = session.weights();
  auto kept = keep;
  for (auto& spec : session.options().hooks.specs())  // what a hook watches has to stay
    for (auto& item : model.layers)
      if (matches(spec, item.path, item.type)) kept.push_back(item.path);
  auto report = fold_batch_norms(model, weights, session.registry(), kept);
  Session folded(std::move(model), session.options(), session.registry());
  folded.set_weights(weights, "the folded weights");
  return {std::move(folded), std::move(report)};
}

}  // namespace braid
