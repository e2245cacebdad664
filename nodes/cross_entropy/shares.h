// How much each class counts in the loss of one target: loss = sum over c of share(c)·(-log p_c).
#pragma once
#include <cstdint>
#include <vector>

#include <braid/core/attr.h>

namespace braid {

/// `own` of the target's class and `each` of every class, both times the class's weight: with
/// smoothing s, (1 - s)·w_t and s / C·w_c. A view: kernels of devices bring their own `weights`.
struct ShareRule {
  double smoothing, spread;  ///< spread = smoothing / C
  double all_each;           ///< of all classes together
  const double* weights;     ///< null = all are 1

  constexpr bool weighted() const { return weights != nullptr; }
  constexpr bool smooth() const { return smoothing > 0; }
  constexpr double weight(int64_t c) const { return weighted() ? weights[c] : 1; }
  constexpr double own(int64_t label) const { return (1 - smoothing) * weight(label); }
  constexpr double each(int64_t c) const { return spread * weight(c); }
  /// Of all classes together; exactly 1 without weights.
  constexpr double whole(int64_t label) const { return weighted() ? own(label) + all_each : 1; }
};

/// The rule with what it views.
class Shares {
 public:
  Shares(const Dict& attrs, int64_t classes);

  bool weighted() const { return !weights_.empty(); }
  bool smooth() const { return rule().smooth(); }
  double own(int64_t label) const { return rule().own(label); }
  const std::vector<double>& each() const { return each_; }
  double whole(int64_t label) const { return rule().whole(label); }

  const std::vector<double>& weights() const { return weights_; }
  ShareRule rule() const { return rule(weights_.data()); }
  /// With a copy of the weights, wherever that is.
  ShareRule rule(const double* weights) const {
    return {smoothing_, spread_, all_each_, weighted() ? weights : nullptr};
  }

 private:
  double smoothing_, spread_, all_each_ = 0;
  std::vector<double> weights_, each_;
};

}  // namespace braid
