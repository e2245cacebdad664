// Folding: in eval mode a batch norm is one factor and one number added for each channel, and so is
// what stands right before it, where that is a convolution or a Linear. One layer does for both.
//
//   W' = W * s,   b' = (b - running_mean) * s + bias,   s = weight / sqrt(running_var + eps)
//
//   FoldReport report = fold_batch_norms(model, registry);   // the Model; then its weights:
//   weights = fold_weights(report.folds, weights);           // braid/runtime/fold.h does both
//   std::cout << to_string(report);
//
// The convolution gets `bias: true`, the batch norm is gone, and those who read it read the
// convolution; all other paths and keys stay. A folded model is for inference: training it throws
// Error(model, "E0293").
#pragma once
#include <map>
#include <string>
#include <vector>

#include <braid/core/registry.h>

namespace braid {

/// A batch norm that went into the layer before it: all that their weights need to follow.
struct Fold {
  std::string layer, norm;            ///< paths, the prefixes of the keys
  std::string layer_type, norm_type;  ///< for reports
  Mark mark = {};                     ///< of the batch norm
  int weight_axis = 0;                ///< ChannelAxes::weight of the layer
  int64_t groups = 1;                 ///< of the layer
  bool had_bias = true;
  bool affine = true;  ///< the batch norm has a weight and a bias
  double eps = 1e-5;
  bool clamp = false;  ///< s = weight / sqrt(max(running_var, eps))
};

/// A batch norm that stays.
struct Unfolded {
  std::string norm, type;
  Mark mark = {};
  std::string why;
};

struct FoldReport {
  std::vector<Fold> folds = {};  ///< in the order in which they are to be applied
  std::vector<Unfolded> left = {};
};

/// An aligned table, one batch norm a line, and how many were folded.
std::string to_string(const FoldReport& report);

/// Folds every batch norm whose only input is a layer with LayerDef::channels that nobody else
/// reads. Layers named in `keep` stay as they are: a folded layer's path yields what its batch norm
/// yielded, and the path of that is gone. Throws Error(model) for a model that `check` refuses; it
/// is then as it was.
FoldReport fold_batch_norms(Model& model, const Registry& registry,
                            const std::vector<std::string>& keep = {});

}  // namespace braid
