// What the CUDA files of this folder share.
#pragma once
#include "cross_entropy/shares.h"
#include "cuda/kernel.h"
#include "cuda/table.h"

namespace braid {

cuda::LaunchMaker make_xent_cuda();        // cross_entropy.cu
cuda::LaunchMaker make_xent_count_cuda();  // count.cu
cuda::LaunchMaker make_xent_grad_cuda();   // gradient.cu

/// Puts the weights of classes, if there are any, into memory that kernels can read.
inline ShareRule enqueue_shares(const LaunchArgs& args, const Shares& shares, int64_t offset) {
  auto* weights = reinterpret_cast<double*>(static_cast<char*>(args.workspace) + offset);
  if (shares.weighted()) cuda::enqueue_table(args.queue, shares.weights(), weights);
  return shares.rule(weights);
}
inline int64_t shares_bytes(const Shares& shares) {
  return int64_t(shares.weights().size() * sizeof(double));
}

}  // namespace braid
