// What losses share that take an input and a target of one shape, element by element, and average
// over all elements of the batch. Each is three formulas: the loss of an element and its slopes by
// the input and by the target. A number may stand for a target that is the same everywhere.
//
// Operations of a loss "mse": "mse" sums over a slice, "mse_grad" and "mse_target_grad" give the
// gradients; all take (input, target), or (input) with the attribute `target`. What is divided by
// is their own operation, "count_elements", which looks at shapes only.
#pragma once
#include <string>

#include <braid/core/layer.h>

namespace braid {

/// What a loss's operations are asked for, from their attributes.
struct PointwiseRule {
  double target;  ///< where it is no input
  double shape;   ///< the loss's own parameter, or 0
  double factor;

  PointwiseRule(const Dict& attrs, const std::string& shape_name);
};

/// The f32 kernels of the CPU: out[i] from input and target, over n elements.
struct PointwiseLoss {
  std::string op;
  std::string shape = {};  ///< the name of the loss's own parameter: a margin, a bend
  void (*loss)(float shape, const float* x, const float* t, float* out, int64_t n);
  /// Times `scale`; out may be x.
  void (*slope)(float shape, float scale, const float* x, const float* t, float* out, int64_t n);
  void (*target_slope)(float shape, float scale, const float* x, const float* t, float* out,
                       int64_t n);
};

/// The same of one element in f64.
struct PointwiseJudge {
  using Formula = double (*)(double shape, double x, double t);
  Formula loss, slope, target_slope;
};

/// The operations, and their kernels for the CPU and the reference.
void add_pointwise_loss(Registry& registry, const PointwiseLoss& loss, const PointwiseJudge& judge);

/// The layer: ports input and target, the parameters target and factor. Doc, formula, source and
/// its own parameter are left to the caller, who may rename the ports.
LayerDef pointwise_layer(std::string name, std::string op);

}  // namespace braid
