// Copies along one dimension. Seen as [outer, along, inner] bytes, the part of one input is a run
// of along * inner bytes in each of the outer rows; every input is a launch.
#include "cuda/index.h"
#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "cuda/vector.h"

namespace braid {
namespace concat_cuda {

using namespace cuda;

/// Runs of `run` units, one in each row of both sides.
struct Shape {
  int64_t run, from_row, to_row;  ///< units of U
};

template <class U>
struct Part {
  const U* from;
  U* to;
  int64_t n;  ///< units to copy
};

template <class U>
__global__ void copy_runs(const __grid_constant__ Parts<Part<U>> parts, const Shape s) {
  const Part<U>& p = parts.at[blockIdx.z];
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.n; i += step) {
    const int64_t row = quotient(i, s.run), at = i - row * s.run;
    p.to[row * s.to_row + at] = p.from[row * s.from_row + at];
  }
}

/// One run of bytes in each row, from input `input` to output 0.
struct Copy {
  int input;
  int64_t run, from_row, from_begin, to_row, to_begin;  ///< bytes
  std::vector<int64_t> rows;                            ///< of each part

  /// The widest unit that divides all of it.
  int64_t unit() const {
    const int64_t bits = run | from_row | from_begin | to_row | to_begin;
    return std::min<int64_t>(bits & -bits, 16);
  }

  template <class U>
  void enqueue_as(const LaunchArgs& args) const {
    constexpr auto unit = int64_t(sizeof(U));
    auto part = [&](const KernelArgs& a, size_t i) {
      return Part<U>{reinterpret_cast<const U*>(a.in<char>(input) + from_begin),
                     reinterpret_cast<U*>(a.out<char>(0) + to_begin), rows[i] * run / unit};
    };
    for_parts(args.parts, part, [&](const Parts<Part<U>>& parts) {
      int64_t most = 0;
      for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
      launch(args.queue, copy_runs<U>, {blocks_for(most, 512), 1, parts.size()}, 256, parts,
             Shape{run / unit, from_row / unit, to_row / unit});
    });
  }

  void enqueue(const LaunchArgs& args) const {
    const int64_t bytes = unit();
    if (bytes == 16)
      enqueue_as<Pack<uint32_t, 4>>(args);
    else if (bytes == 8)
      enqueue_as<uint64_t>(args);
    else if (bytes == 4)
      enqueue_as<uint32_t>(args);
    else
      enqueue_as<uint8_t>(args);
  }
};

int64_t outer_of(const Operand& x, size_t dim) {
  int64_t outer = 1;
  for (size_t d = 0; d < dim; ++d) outer *= x.dims[d];
  return outer;
}

/// Bytes of `size` cells of dimension `dim` and all that is inside.
int64_t run_of(const Operand& x, size_t dim, int64_t size) {
  for (size_t d = dim + 1; d < x.dims.size(); ++d) size *= x.dims[d];
  return size * int64_t(size_of(x.dtype));
}

std::vector<int64_t> rows_of_parts(std::span<const Signature> signatures, size_t dim) {
  std::vector<int64_t> rows;
  for (auto& s : signatures) rows.push_back(outer_of(s.out[0], dim));
  return rows;
}

Launch make_concat(std::span<const Signature> signatures) {
  const Signature& s = signatures[0];
  const auto dim = size_t(get_int(s.attrs, "dim"));
  const int64_t row = run_of(s.out[0], dim, s.out[0].dim(dim));
  std::vector<Copy> copies;
  int64_t begin = 0;
  for (size_t k = 0; k < s.in.size(); ++k) {
    const int64_t run = run_of(s.in[k], dim, s.in[k].dim(dim));
    copies.push_back({int(k), run, run, 0, row, begin, rows_of_parts(signatures, dim)});
    begin += run;
  }
  return {[copies](const LaunchArgs& args) {
    for (auto& copy : copies) copy.enqueue(args);
  }};
}

Launch make_slice(std::span<const Signature> signatures) {
  const Signature& s = signatures[0];
  const auto dim = size_t(get_int(s.attrs, "dim"));
  const int64_t run = run_of(s.out[0], dim, s.out[0].dim(dim));
  const int64_t begin = run_of(s.in[0], dim, get_int(s.attrs, "begin"));
  const Copy copy{0,   run, run_of(s.in[0], dim, s.in[0].dim(dim)), begin,
                  run, 0,   rows_of_parts(signatures, dim)};
  return {[copy](const LaunchArgs& args) { copy.enqueue(args); }};
}

}  // namespace concat_cuda

void register_concat_cuda(Registry& registry) {
  using namespace concat_cuda;
  registry.add(cuda::kernel("concat", make_concat));
  registry.add(cuda::kernel("slice", make_slice));
}

}  // namespace braid
