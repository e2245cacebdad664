// How the kernels walk over an activation: by units, the fewest channels of one sample that are
// whole groups and whole slices of memory, so that a unit is still in cache when it is read again.
#pragma once
#include <algorithm>
#include <cstddef>
#include <numeric>

#include "group_norm/columns.h"
#include "group_norm/parts.h"
#include "ops/view.h"

namespace braid::group_norm {

/// Channels, their groups, and how they lie side by side.
struct Walk {
  View v;
  Groups groups;

  Walk(const Dict& attrs, const Operand& x) : v(view_of(x)), groups(attrs, v.channels) {}

  /// Channels of one slice; a row (N, C) is a slice with all of them.
  int64_t width() const { return v.rows() ? v.channels : v.group; }
  int64_t unit() const { return std::min(std::lcm(width(), groups.members), v.padded()); }
  /// A slice of a single channel is seen as 16 columns, which all belong to it.
  int64_t copies() const { return width() == 1 ? kPlaneColumns : 1; }
  double count() const { return double(groups.members * v.points); }  ///< values of a group
};

/// A constant of each channel of a unit, as kernels over columns want it.
template <class T>
struct PerChannel {
  T* values;
  int64_t first, copies;

  T* at(int64_t c) const { return values + (c - first) * copies; }
  void set(int64_t c, T value) const { std::fill_n(at(c), copies, value); }
  /// Of all columns of the channel.
  T sum(int64_t c) const { return std::accumulate(at(c), at(c) + copies, T(0)); }
};

/// Channels [from, to) of sample n; the last unit of a sample ends with the padding.
class Unit {
 public:
  Unit(const Walk& plane, int64_t n, int64_t from, void* workspace)
      : p_(plane),
        n_(n),
        from_(from),
        to_(std::min(from + plane.unit(), plane.v.padded())),
        free_(static_cast<std::byte*>(workspace)) {}

  /// Zeros, for all channels, from the workspace.
  template <class T>
  PerChannel<T> constants() {
    auto values = reinterpret_cast<T*>(free_);
    free_ += bytes(p_.unit() * p_.copies(), sizeof(T));
    std::fill_n(values, (to_ - from_) * p_.copies(), T(0));
    return {values, from_, p_.copies()};
  }
  /// The workspace for so many constants in f64 and f32.
  static int64_t workspace(const Walk& p, int64_t doubles, int64_t floats) {
    const int64_t count = p.unit() * p.copies();
    return doubles * bytes(count, sizeof(double)) + floats * bytes(count, sizeof(float));
  }

  /// Calls f(first float, columns, first channel) for all memory of the unit.
  template <class F>
  void each_slice(const F& f) const {
    for (int64_t c = from_; c < to_; c += p_.width()) {
      const int64_t first = n_ * p_.v.sample() + c * p_.v.points;
      if (p_.width() > 1)
        f(first, Columns{p_.v.points, p_.width()}, c);
      else
        as_columns(p_.v.points, [&](int64_t at, Columns m) { f(first + at, m, c); });
    }
  }

  /// Calls f(group, first channel, last + 1); padding belongs to none.
  template <class F>
  void each_group(const F& f) const {
    const int64_t members = p_.groups.members, end = std::min(to_, p_.v.channels);
    for (int64_t c = from_; c < end; c += members) f(c / members, c, c + members);
  }

 private:
  static int64_t bytes(int64_t count, size_t each) {
    return (count * int64_t(each) + 63) / 64 * 64;
  }

  const Walk& p_;
  int64_t n_, from_, to_;
  std::byte* free_;
};

/// Calls f(sample, unit) for all of them, from the front.
template <class F>
void each_unit(const Walk& p, void* workspace, const F& f) {
  for (int64_t n = 0; n < p.v.samples; ++n)
    for (int64_t c = 0; c < p.v.padded(); c += p.unit()) f(n, Unit(p, n, c, workspace));
}

}  // namespace braid::group_norm
