// How often each class is predicted, wanted, and both. Whole numbers: any order gives the same. A
// block finds label and prediction of 1024 points; then its threads, each with a class and a slice
// of those points, count: no two threads write to one counter.
#include "mean_iou/mean_iou.h"

#include "cuda/block.h"
#include "cuda/index.h"
#include "cuda/kernel.h"
#include "cuda/totals.h"
#include "ops/rows.h"

namespace braid {
namespace mean_iou_cuda {

using namespace cuda;

constexpr int kThreads = 256;
constexpr int kPoints = 1024;

/// Threads that count the same class, in a block.
constexpr int slices_of(int64_t classes) {
  return classes >= kThreads ? 1 : int(kThreads / classes);
}
int64_t tile(int64_t n) { return tile_of(n, kPoints, 512); }

struct Part {
  const float* x;
  const int64_t* labels;
  int64_t n, tile;  ///< points
  int* counts;      ///< [3, classes, tiles, slices]
  double* out;      ///< [3, classes]
  int64_t* status;

  __host__ __device__ int64_t tiles() const { return tiles_of(n, tile); }
};

struct Shape {
  int64_t classes, inner, ignored;
};

/// What one point says; a label of -1 says nothing.
struct Vote {
  int label, best;
};

__device__ Vote vote_of(const Part& p, const Shape& s, int64_t i) {
  const int64_t label = p.labels[i];
  if (label == s.ignored) return {-1, -1};
  if (label < 0 || label >= s.classes) {
    *p.status = 1;
    return {-1, -1};
  }
  const float* x = p.x + quotient(i, s.inner) * (s.classes - 1) * s.inner + i;
  int best = 0;
  float most = x[0];
  for (int64_t c = 1; c < s.classes; ++c) {
    const float own = x[c * s.inner];
    if (leads(own, most)) best = int(c), most = own;
  }
  return {int(label), best};
}

/// Counters of class c in points [begin, end): both, predicted, wanted.
struct Counters {
  int of[3] = {};

  __device__ void count(const Vote* votes, int begin, int end, int c) {
    for (int i = begin; i < end; ++i) {
      const bool predicted = votes[i].best == c, wanted = votes[i].label == c;
      of[0] += predicted && wanted;
      of[1] += predicted;
      of[2] += wanted;
    }
  }
};

__global__ void count_tiles(const __grid_constant__ Parts<Part> parts, const Shape s) {
  __shared__ Vote votes[kPoints];
  const Part& p = parts.at[blockIdx.z];
  const int64_t begin = blockIdx.x * p.tile;
  const int64_t end = begin + p.tile < p.n ? begin + p.tile : p.n;
  if (begin >= end) return;
  const int slices = slices_of(s.classes);
  const int lanes = slices == 1 ? kThreads : int(s.classes);  // classes counted at a time
  const int slice = int(threadIdx.x) / lanes;
  const int64_t cells = p.tiles() * slices, cell = blockIdx.x * slices + slice;
  for (int64_t from = begin; from < end; from += kPoints) {
    const int here = int(end - from < kPoints ? end - from : kPoints);
    for (int i = int(threadIdx.x); i < here; i += kThreads) votes[i] = vote_of(p, s, from + i);
    __syncthreads();
    for (int64_t c = int(threadIdx.x) % lanes; c < s.classes && slice < slices; c += lanes) {
      Counters counters;
      counters.count(votes, here * slice / slices, here * (slice + 1) / slices, int(c));
      for (int k = 0; k < 3; ++k) {
        int& to = p.counts[(k * s.classes + c) * cells + cell];
        to = counters.of[k] + (from == begin ? 0 : to);
      }
    }
    __syncthreads();
  }
}

/// A block for each counter.
__global__ void add_tiles(const __grid_constant__ Parts<Part> parts, const Shape s) {
  using Reduce = cub::BlockReduce<int64_t, kThreads>;
  __shared__ typename Reduce::TempStorage storage;
  const Part& p = parts.at[blockIdx.z];
  const int64_t cells = p.tiles() * slices_of(s.classes);
  int64_t sum = 0;
  for (int64_t i = threadIdx.x; i < cells; i += kThreads) sum += p.counts[blockIdx.x * cells + i];
  sum = Reduce(storage).Sum(sum);
  if (threadIdx.x == 0) p.out[blockIdx.x] = double(sum);
}

Launch make(std::span<const Signature> signatures) {
  const Rows rows = rows_of(signatures[0].in[0].dims, 1);
  const Shape shape{rows.count, rows.inner, get_int(signatures[0].attrs, "ignore_index", -100)};
  std::vector<int64_t> points;
  int64_t most = 0;
  for (auto& s : signatures) {
    points.push_back(s.in[1].elements());
    most = std::max(most, tiles_of(points.back(), tile(points.back())));
  }
  const int64_t each = 3 * shape.classes * most * slices_of(shape.classes);
  auto enqueue = [=](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return Part{a.in<float>(0),
                  a.in<int64_t>(1),
                  points[i],
                  tile(points[i]),
                  static_cast<int*>(args.workspace) + int64_t(i) * each,
                  a.out<double>(0),
                  args.status + i};
    };
    for_parts(args.parts, part, [&](const Parts<Part>& parts) {
      launch(args.queue, count_tiles, {unsigned(most), 1, parts.size()}, kThreads, parts, shape);
      launch(args.queue, add_tiles, {unsigned(3 * shape.classes), 1, parts.size()}, kThreads, parts,
             shape);
    });
  };
  return {enqueue, int64_t(points.size()) * each * int64_t(sizeof(int))};
}

}  // namespace mean_iou_cuda

void register_mean_iou_cuda(Registry& registry) {
  using namespace mean_iou_cuda;
  registry.add(cuda::kernel("overlap", make));
}

}  // namespace braid
