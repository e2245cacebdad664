#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include <braid/core/random.h>
#include <braid/runtime/data.h>

namespace braid {

BatchPlan::BatchPlan(BatchOptions options) : options_(options) {
  ensure(options.batch > 0, "a batch without samples");
  ensure(options.samples < int64_t{1} << 32, "2^32 samples or more");
  int64_t rounded = options.drop_last ? options.samples : options.samples + options.batch - 1;
  steps_per_epoch_ = rounded / options.batch;
  if (steps_per_epoch_ > 0) return;
  throw Error(Fault::data, "E0347",
              fmt::format("{} samples do not make one batch of {}", options.samples, options.batch))
      .help("take a smaller batch, or `last: keep`");
}

std::optional<int64_t> BatchPlan::drawn_epoch(int64_t step) const {
  return options_.augment ? std::optional(epoch_of(step)) : std::nullopt;
}

int64_t BatchPlan::largest_batch() const { return std::min(options_.batch, options_.samples); }

// Fisher and Yates, each draw from the counter-based stream of (seed, epoch).
void BatchPlan::shuffle_for(int64_t epoch) {
  if (epoch == epoch_) return;
  order_.resize(size_t(options_.samples));
  std::iota(order_.begin(), order_.end(), int64_t{0});
  epoch_ = epoch;
  if (!options_.shuffle) return;
  uint64_t key = random_key(options_.seed, uint64_t(epoch), hash_text("shuffle"));
  for (size_t i = order_.size() - 1; i > 0; --i) {
    std::swap(order_[i], order_[uniform_below(key, i, i + 1)]);
  }
}

void BatchPlan::batch(int64_t step, std::vector<int64_t>& out) {
  shuffle_for(epoch_of(step));
  int64_t begin = step % steps_per_epoch_ * options_.batch;
  int64_t end = std::min(begin + options_.batch, options_.samples);
  out.assign(order_.begin() + begin, order_.begin() + end);
}

std::vector<int64_t> BatchPlan::batch(int64_t step) {
  std::vector<int64_t> samples;
  batch(step, samples);
  return samples;
}

}  // namespace braid
