// Running statistics: running = (1 - momentum) * running + momentum * batch, or the plain mean of
// all batches where momentum is null. Writes State, so it cannot fail.
#pragma once
#include <cstdint>

#include <braid/core/attr.h>

namespace braid::batch_norm {

struct RunningRule {
  double momentum = 0.1;
  bool cumulative = false;
  bool unbiased = true;
};

inline RunningRule running_rule(const Dict& attrs) {
  const Attr* momentum = find(attrs, "momentum");
  RunningRule rule{.unbiased = get_bool(attrs, "unbiased", true)};
  rule.cumulative = momentum && momentum->is_null();
  if (momentum && momentum->is_number()) rule.momentum = momentum->as_double();
  return rule;
}

/// One channel; `batches` counts this one, too.
template <class T>
constexpr void update_channel(const RunningRule& rule, const double* moments, int64_t channels,
                              int64_t c, int64_t batches, T* mean, T* variance) {
  const double weight = rule.cumulative ? 1 / double(batches) : rule.momentum;
  const double count = moments[c], divisor = rule.unbiased ? count - 1 : count;
  mean[c] = T((1 - weight) * mean[c] + weight * moments[channels + c]);
  variance[c] = T((1 - weight) * variance[c] + weight * (moments[2 * channels + c] / divisor));
}

/// `moments` [3, C] of the whole batch; the count may be a sum of weights, which says how often
/// each value occurs. A batch without a variance changes nothing.
template <class T>
void update_running(const RunningRule& rule, const double* moments, int64_t channels, T* mean,
                    T* variance, int64_t& batches) {
  if (channels == 0 || moments[0] <= 1) return;
  ++batches;
  for (int64_t c = 0; c < channels; ++c)
    update_channel(rule, moments, channels, c, batches, mean, variance);
}

}  // namespace braid::batch_norm
