// All samples of one input, in memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <braid/core/model.h>
#include <braid/runtime/array.h>

#include "data/spec.h"

namespace braid {

/// Bytes stay bytes (a data set of images takes a quarter of its f32 form) and become values by a
/// table of 256 entries when a batch is filled; everything else is converted once, when it is read.
struct Column {
  DType dtype = DType::f32;
  int64_t elements = 0;  ///< of one sample
  int64_t samples = 0;
  std::vector<std::byte> stored = {};
  std::vector<std::byte> table = {};  ///< 256 values of `dtype`; empty = `stored` holds values
  std::string file = {};

  void fill(std::span<const int64_t> picked, std::byte* out) const;
};

/// The samples of `raw`, whose first size is their number, as `type` wants them. Throws
/// Error(Fault::data): E0341 when a sample has another number of elements, E0343 when there are
/// none, E0344 when a value does not fit the dtype. `file` and `mark` are for messages.
Column make_column(Array raw, const InputDecl& input, const Affine& affine, std::string file,
                   const Mark& mark);

/// One number that was read from text into the form of the column; false when it does not fit.
bool append(Column& column, double value);
/// Whether `value` was one of the integers of `dtype`, and appends it.
bool append(Column& column, int64_t value);

}  // namespace braid
