// How much each class counts in the loss of one target: loss = sum over c of share(c)·(-log p_c).
#pragma once
#include <cstdint>
#include <vector>

#include <braid/core/attr.h>

namespace braid {

/// `own` of the target's class and `each` of every class, both times the class's weight: with
/// smoothing s, (1 - s)·w_t and s / C·w_c.
class Shares {
 public:
  Shares(const Dict& attrs, int64_t classes);

  bool weighted() const { return !weights_.empty(); }
  bool smooth() const { return smoothing_ > 0; }
  double weight(int64_t c) const { return weighted() ? weights_[size_t(c)] : 1; }
  double own(int64_t label) const { return (1 - smoothing_) * weight(label); }
  const std::vector<double>& each() const { return each_; }
  /// Of all classes together; exactly 1 without weights.
  double whole(int64_t label) const { return weighted() ? own(label) + all_each_ : 1; }

 private:
  double smoothing_, all_each_ = 0;
  std::vector<double> weights_, each_;
};

}  // namespace braid
