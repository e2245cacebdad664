// What the files of this folder share.
#pragma once
#include <string>

#include <braid/core/registry.h>

namespace braid::group_norm {

void register_kernels(Registry&);     // kernels.cpp
void register_references(Registry&);  // group_norm_ref.cpp
void register_instance_norm(Registry&);
void register_instance_norm_cuda(Registry&);

// What the layers share.
int64_t channels_of(const Builder& b, const Call& c);
int64_t points_of(const Shape& shape);
void check_channels(const Builder& b, const Call& c, const char* param);
void check_rank(const Builder& b, const Call& c, size_t least, size_t most, const char* shapes);
/// Weight and bias, saved by these names, unless `affine` is false.
void add_affine(Builder& b, Call& c);
std::vector<int> normalize(Builder& b, Call& c, int64_t groups);
std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>& g);
ParamDef eps();
ParamDef affine(bool fallback);
ParamDef channels(const char* name);

/// Rows (samples, sum of means, sum of unbiased variances) of one channel, from what "group_norm"
/// says of each sample, [samples, 2, channels]: mean and 1 / deviation of `points` values.
struct InstanceSums {
  int64_t channels, points;
  double eps;

  explicit InstanceSums(const Signature& s)
      : channels(s.in[0].dim(2)),
        points(get_int(s.attrs, "points")),
        eps(get_double(s.attrs, "eps")) {}

  constexpr void channel(const double* statistics, int64_t samples, int64_t c, double* sums) const {
    double mean = 0, variance = 0;
    for (int64_t n = 0; n < samples; ++n) {
      const double inverse = statistics[(2 * n + 1) * channels + c];
      mean += statistics[2 * n * channels + c];
      variance += 1 / (inverse * inverse) - eps;
    }
    sums[c] = double(samples);
    sums[channels + c] = mean;
    sums[2 * channels + c] = variance * double(points) / double(points - 1);
  }
};

/// The means of these, as moments of which "bn_running" takes the same: of two values, so that the
/// variance is what is divided by one.
constexpr void instance_moments(const double* sums, int64_t channels, int64_t c, double* moments) {
  const double samples = sums[c] > 0 ? sums[c] : 1;
  moments[c] = sums[c] > 0 ? 2 : 0;
  moments[channels + c] = sums[channels + c] / samples;
  moments[2 * channels + c] = sums[2 * channels + c] / samples;
}

/// How channels make groups: what both kinds of kernels are asked for.
struct Groups {
  int64_t groups = 1;   ///< of a sample
  int64_t members = 1;  ///< channels of a group
  double eps = 1e-5;

  Groups(const Dict& attrs, int64_t channels)
      : groups(get_int(attrs, "num_groups")),
        members(channels / groups),
        eps(get_double(attrs, "eps")) {}
  int64_t of(int64_t channel) const { return channel / members; }
};

}  // namespace braid::group_norm
