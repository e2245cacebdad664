// How long things took, in memory that does not depend on how many there were: buckets of 1/64 of
// their power of two.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace braid {

class Histogram {
 public:
  void add(int64_t ns) {
    const auto value = uint64_t(std::max<int64_t>(ns, 0));
    ++counts_[index(value)];
    ++count_;
    max_ = std::max(max_, value);
  }
  void add(const Histogram& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }
  int64_t count() const { return count_; }
  int64_t max() const { return int64_t(max_); }
  /// The value that this share of all lies below, in the middle of its bucket.
  double quantile(double share) const {
    const auto wanted = int64_t(share * double(count_ - 1));
    int64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i)
      if ((seen += counts_[i]) > wanted) return std::min(middle(i), double(max_));
    return 0;
  }

 private:
  static constexpr int fine = 6;  // bits below the highest
  static size_t index(uint64_t v) {
    if (v < (1u << fine)) return size_t(v);
    const int shift = int(std::bit_width(v)) - 1 - fine;
    return (size_t(shift) << fine) + size_t(v >> shift);
  }
  static double middle(size_t i) {
    if (i < (1u << fine)) return double(i);
    const size_t shift = (i >> fine) - 1;
    return (double((i & ((1u << fine) - 1)) + (1u << fine)) + 0.5) * double(1ull << shift);
  }
  std::array<int64_t, (64 - fine + 1) << fine> counts_ = {};
  int64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace braid
