// Targets that are not ignored, each by the weight of its class.
#include "cross_entropy/parts.h"
#include "cuda/totals.h"

namespace braid {
namespace cross_entropy_count_cuda {

using namespace cuda;

struct Count {
  const int64_t* labels;
  const double* weights;  ///< null = all are 1
  int64_t classes, ignored;

  __device__ double operator()(int64_t i) const {
    const int64_t label = labels[i];
    if (label == ignored) return 0;
    if (weights == nullptr) return 1;
    // A label outside the classes is told by "xent": here it only must not be looked up.
    return label >= 0 && label < classes ? weights[label] : 0;
  }
};

Launch make(std::span<const Signature> signatures) {
  std::vector<int64_t> targets;
  for (auto& s : signatures) targets.push_back(s.in[0].elements());
  const Totals<Count> totals(std::move(targets));
  const auto weights = get_doubles(signatures[0].attrs, "weight");
  const int64_t ignored = get_int(signatures[0].attrs, "ignore_index", -100);
  const auto classes = int64_t(weights.size());
  auto enqueue = [=](const LaunchArgs& args) {
    double* table = nullptr;
    if (classes > 0) {
      table = reinterpret_cast<double*>(static_cast<char*>(args.workspace) + totals.workspace());
      enqueue_table(args.queue, weights, table);
    }
    totals.enqueue(args, 0, [&](const KernelArgs& a, size_t) {
      return Count{a.in<int64_t>(0), table, classes, ignored};
    });
  };
  return {enqueue, totals.workspace() + classes * int64_t(sizeof(double))};
}

}  // namespace cross_entropy_count_cuda

cuda::LaunchMaker make_xent_count_cuda() {
  using namespace cross_entropy_count_cuda;
  return make;
}

}  // namespace braid
