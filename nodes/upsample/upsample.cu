// Resizing. A small launch writes down where the cells of each axis come from; then a thread makes
// one cell of a few planes: rows are mixed first, then the mixed cells of columns, as on the CPU.
#include "cuda/index.h"
#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "upsample/axis.h"

namespace braid {
namespace upsample_cuda {

using namespace cuda;

constexpr int64_t kPlanes = 4;  ///< of one thread

/// Of a result cell: low_weight x[low] + high_weight x[low + 1], the latter if its weight is not 0.
struct alignas(16) Tap {
  int low;
  float low_weight, high_weight;

  /// Of image cell k; 0 = it is not seen.
  __device__ float of(int64_t k) const {
    return low == k ? low_weight : low + 1 == k ? high_weight : 0;
  }
};
/// The result cells that may see an image cell.
struct Range {
  int begin, end;
};

struct Table {
  Axis axis;
  Tap* taps;      ///< of each result cell
  Range* ranges;  ///< of each image cell; null = not wanted

  /// The first result cell that comes from `low` or behind.
  __device__ int first(int64_t low) const {
    int64_t begin = 0, end = axis.result;
    while (begin < end) {
      const int64_t middle = (begin + end) / 2;
      if (axis.origin(middle).low < low)
        begin = middle + 1;
      else
        end = middle;
    }
    return int(begin);
  }
};

struct Tables {
  Table rows, columns;
};

__global__ void write_tables(const __grid_constant__ Tables tables) {
  const Table& t = blockIdx.y == 0 ? tables.rows : tables.columns;
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < t.axis.result) {
    const Origin o = t.axis.origin(i);
    t.taps[i] = {int(o.low), float(1 - o.weight), float(o.weight)};
  }
  if (t.ranges != nullptr && i < t.axis.image) t.ranges[i] = {t.first(i - 1), t.first(i + 1)};
}

struct Part {
  const float* in;
  float* out;
  int64_t planes;
};

struct Forward {
  const Tap *rows, *columns;
  int64_t height, width, out_height, out_width;  ///< of what is read, of what is written

  __device__ float at(const float* x, const Tap& row, int64_t column) const {
    x += row.low * width + column;
    float mixed = x[0] * row.low_weight;
    if (row.high_weight > 0) mixed += x[width] * row.high_weight;
    return mixed;
  }
  __device__ float operator()(const float* x, int64_t i, int64_t j) const {
    const Tap row = rows[i], column = columns[j];
    float y = at(x, row, column.low) * column.low_weight;
    if (column.high_weight > 0) y += at(x, row, column.low + 1) * column.high_weight;
    return y;
  }
};

struct Gradient {
  const Tap *rows, *columns;
  int64_t height, width, out_height, out_width;
  const Range *row_ranges, *column_ranges;

  __device__ float operator()(const float* g, int64_t i, int64_t j) const {
    const Range down = row_ranges[i], across = column_ranges[j];
    float sum = 0;
    for (int column = across.begin; column < across.end; ++column) {
      const float share = columns[column].of(j);
      if (share == 0) continue;
      float mixed = 0;
      for (int row = down.begin; row < down.end; ++row) {
        const float own = rows[row].of(i);
        if (own != 0) mixed += g[row * width + column] * own;
      }
      sum += mixed * share;
    }
    return sum;
  }
};

template <class F>
__global__ void resize(const __grid_constant__ Parts<Part> parts, const F f) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t cells = f.out_height * f.out_width, from = f.height * f.width;
  const int64_t all = (p.planes + kPlanes - 1) / kPlanes * cells;
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < all; i += step) {
    const auto at = Place::of(i, f.out_height, f.out_width);
    const int64_t cell = at.at * f.out_width + at.in;
    const int64_t begin = at.outer * kPlanes;
    const int64_t end = begin + kPlanes < p.planes ? begin + kPlanes : p.planes;
    for (int64_t plane = begin; plane < end; ++plane)
      p.out[plane * cells + cell] = f(p.in + plane * from, at.at, at.in);
  }
}

/// Where tables lie in the workspace.
struct Layout {
  Axis rows, columns;
  bool gradient;

  int64_t taps() const { return (rows.result + columns.result) * int64_t(sizeof(Tap)); }
  int64_t bytes() const {
    return taps() + (gradient ? (rows.image + columns.image) * int64_t(sizeof(Range)) : 0);
  }
  Tables tables(void* workspace) const {
    auto* tap = static_cast<Tap*>(workspace);
    Tables t{{rows, tap, nullptr}, {columns, tap + rows.result, nullptr}};
    if (gradient) {
      t.rows.ranges = reinterpret_cast<Range*>(static_cast<char*>(workspace) + taps());
      t.columns.ranges = t.rows.ranges + rows.image;
    }
    return t;
  }
};

template <class F>
void enqueue(const LaunchArgs& args, const std::vector<int64_t>& planes, const F& f) {
  auto part = [&](const KernelArgs& a, size_t i) {
    return Part{a.in<float>(0), a.out<float>(0), planes[i]};
  };
  for_parts(args.parts, part, [&](const Parts<Part>& parts) {
    int64_t most = 0;
    for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].planes);
    const int64_t threads = (most + kPlanes - 1) / kPlanes * f.out_height * f.out_width;
    launch(args.queue, resize<F>, {blocks_for(threads, 256, 1 << 16), 1, parts.size()}, 256, parts,
           f);
  });
}

Launch make(std::span<const Signature> signatures, bool gradient) {
  const auto& attrs = signatures[0].attrs;
  const Layout layout{axis_of(attrs, 0), axis_of(attrs, 1), gradient};
  std::vector<int64_t> planes;
  for (auto& s : signatures) planes.push_back(s.in[0].dim(0) * s.in[0].dim(1));
  auto run = [=](const LaunchArgs& args) {
    const Tables t = layout.tables(args.workspace);
    const Axis &rows = layout.rows, &columns = layout.columns;
    const int64_t most =
        std::max({rows.result, columns.result, gradient ? std::max(rows.image, columns.image) : 0});
    launch(args.queue, write_tables, {unsigned((most + 127) / 128), 2, 1}, 128, t);
    if (gradient)
      enqueue(args, planes,
              Gradient{t.rows.taps, t.columns.taps, rows.result, columns.result, rows.image,
                       columns.image, t.rows.ranges, t.columns.ranges});
    else
      enqueue(args, planes,
              Forward{t.rows.taps, t.columns.taps, rows.image, columns.image, rows.result,
                      columns.result});
  };
  return {run, layout.bytes()};
}

}  // namespace upsample_cuda

void register_upsample_cuda(Registry& registry) {
  using namespace upsample_cuda;
  registry.add(
      cuda::kernel("upsample", [](std::span<const Signature> s) { return make(s, false); }));
  registry.add(
      cuda::kernel("upsample_grad", [](std::span<const Signature> s) { return make(s, true); }));
}

}  // namespace braid
