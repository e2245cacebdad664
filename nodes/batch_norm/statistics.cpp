// Arithmetic on a few numbers per channel: the merge of moments, running statistics, rows of sums.
#include <cmath>

#include "batch_norm/merge.h"
#include "batch_norm/parts.h"
#include "batch_norm/running.h"

namespace braid::batch_norm {
namespace {

KernelBody merge_chan(const Signature& s) {
  const int64_t channels = s.in[0].dim(1);
  return [channels](const KernelArgs& a) {
    for (int64_t c = 0; c < channels; ++c)
      merge_channel(a.in<double>(0), a.in<double>(1), channels, c, a.out<double>(0));
  };
}

template <class T>
KernelBody row(const Signature& s) {
  const int64_t channels = s.in[0].dim(1), row = get_int(s.attrs, "row");
  return [channels, row](const KernelArgs& a) {
    const double* from = a.in<double>(0) + row * channels;
    for (int64_t c = 0; c < channels; ++c) a.out<T>(0)[c] = T(from[c]);
  };
}

template <class T>
KernelBody running(const Signature& s) {
  const int64_t channels = s.in[1].dim(0);
  const RunningRule rule = running_rule(s.attrs);
  return [channels, rule](const KernelArgs& a) {
    update_running(rule, a.in<double>(0), channels, a.in<T>(1), a.in<T>(2), *a.in<int64_t>(3));
  };
}

}  // namespace

void register_statistics(Registry& r) {
  for (const char* device : {"cpu", "reference"})
    r.add(plain_kernel("merge_chan", device, merge_chan));
  r.add(plain_kernel("bn_row", "cpu", row<float>));
  r.add(plain_kernel("bn_row", "reference", row<double>));
  r.add(plain_kernel("bn_running", "cpu", running<float>));
  r.add(plain_kernel("bn_running", "reference", running<double>));
}

void require_spread(const double* moments) {
  const double count = moments[0];
  if (count > 1) return;
  if (count == 0)
    throw Error(Fault::run, "E0411", "the mask leaves no value to take statistics from")
        .help("mask out less, let all replicas share statistics (sync: all), or freeze: stats");
  throw Error(Fault::run, "E0410",
              count == 1 ? std::string("batch norm in training saw a single value per channel")
                         : "the weights of the mask sum up to " + shortest(count) +
                               ", less than a single value")
      .help("a single value has no variance: use a larger batch, or freeze: stats");
}

}  // namespace braid::batch_norm
