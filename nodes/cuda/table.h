// Numbers that follow from attributes, such as the weights of classes, for kernels to read: they
// travel in launch arguments and are written to the workspace, at every step, as a workspace keeps
// nothing. A small launch costs less than it takes to explain memory that outlives its kernel.
#pragma once
#include <algorithm>
#include <vector>

#include "cuda/launch.h"

namespace braid::cuda {

template <class T>
struct TablePiece {
  static constexpr int most = int(3584 / sizeof(T));
  T values[most];
  int count;
};

template <class T>
__global__ void write_table(const __grid_constant__ TablePiece<T> piece, T* to) {
  for (int i = int(threadIdx.x); i < piece.count; i += int(blockDim.x)) to[i] = piece.values[i];
}

template <class T>
void enqueue_table(Queue* queue, const std::vector<T>& values, T* to) {
  for (size_t i = 0; i < values.size(); i += TablePiece<T>::most) {
    TablePiece<T> piece;
    piece.count = int(std::min<size_t>(TablePiece<T>::most, values.size() - i));
    std::copy_n(values.begin() + std::ptrdiff_t(i), piece.count, piece.values);
    launch(queue, write_table<T>, {1, 1, 1}, 256, piece, to + i);
  }
}

}  // namespace braid::cuda
