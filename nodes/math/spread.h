// Which element of a smaller tensor stands for each element of a larger one that it is broadcast
// to: NumPy's rules, trailing dimensions under each other.
//
//   Spread s({3, 1}, {2, 3, 4});
//   s.runs(0, 24, [](int64_t offset, int64_t stride, int64_t at, int64_t count) { ... });
//
// Elements `at` to `at + count` of the larger are at offset, offset + stride, ... of the smaller.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace braid::math {

class Spread {
 public:
  Spread(const std::vector<int64_t>& small, const std::vector<int64_t>& large) {
    std::vector<int64_t> strides(large.size(), 0);
    const size_t missing = large.size() - small.size();
    int64_t stride = 1;
    for (size_t d = small.size(); d-- > 0; stride *= small[d])
      strides[d + missing] = small[d] == 1 ? 0 : stride;
    for (size_t d = 0; d < large.size(); ++d) push(large[d], strides[d]);
  }

  struct Axis {
    int64_t size, stride;
  };
  /// Outermost first; neighbours that one stride covers are one, and those of size 1 are left out.
  const std::vector<Axis>& axes() const { return axes_; }
  bool is_whole() const { return axes_.empty() || (axes_.size() == 1 && axes_[0].stride == 1); }

  template <class F>
  void runs(int64_t first, int64_t count, F f) const {
    if (axes_.empty() || axes_.size() == 1) {
      const int64_t stride = axes_.empty() ? 0 : axes_[0].stride;
      f(first * stride, stride, int64_t{0}, count);
      return;
    }
    const Axis inner = axes_.back();
    for (int64_t done = 0; done < count;) {
      int64_t index = first + done, offset = 0;
      const int64_t in = index % inner.size;
      index /= inner.size;
      for (size_t d = axes_.size() - 1; d-- > 0; index /= axes_[d].size)
        offset += index % axes_[d].size * axes_[d].stride;
      const int64_t run = std::min(count - done, inner.size - in);
      f(offset + in * inner.stride, inner.stride, done, run);
      done += run;
    }
  }

 private:
  void push(int64_t size, int64_t stride) {
    if (size == 1) return;
    if (!axes_.empty() && axes_.back().stride == size * stride) {
      axes_.back() = {axes_.back().size * size, stride};
      return;
    }
    axes_.push_back({size, stride});
  }

  std::vector<Axis> axes_;
};

}  // namespace braid::math
