// All samples of one input, in memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <braid/core/model.h>
#include <braid/runtime/array.h>

#include "data/pixels.h"
#include "data/spec.h"

namespace braid {

/// The sizes of a stored picture; planes 0 = not a picture.
struct PictureSize {
  int64_t planes = 0, height = 0, width = 0;
};

struct Extent {
  int64_t height = 0, width = 0;
  bool operator==(const Extent&) const = default;
};

/// Bytes stay bytes (a data set of images takes a quarter of its f32 form) and become values by a
/// table of 256 entries when a batch is filled; everything else is converted once, when it is read.
struct Column {
  DType dtype = DType::f32;
  int64_t elements = 0;  ///< of one stored sample
  int64_t samples = 0;
  std::vector<std::byte> stored = {};
  /// 256 values of `dtype`, or as many for each plane; empty = `stored` holds values.
  std::vector<std::byte> table = {};
  std::string file = {};
  PictureSize picture = {};
  std::vector<std::byte> pad = {};  ///< of `dtype`: what lies around each plane
  /// Of pictures of bytes that are not alike: their sizes, and where each begins; then `elements`
  /// is that of the input, and `picture` has its planes alone.
  std::vector<Extent> extents = {};
  std::vector<size_t> begins = {};

  Extent extent(int64_t sample) const;
  size_t stored_elements(int64_t sample) const;

  /// Samples as they are stored.
  void fill(std::span<const int64_t> picked, std::byte* out) const;
  /// The values of a sample, whatever its size.
  Array as_stored(int64_t sample) const;
  /// One part of one picture, [planes, height, width].
  void fill_part(int64_t sample, const Placement& place, int64_t height, int64_t width,
                 std::byte* out) const;
  /// Whether it has pictures whose bytes can be worked on.
  bool has_bytes() const;
  std::span<const uint8_t> bytes_of(int64_t sample) const;
  /// A picture of bytes that was worked on, as values; what lies around it is `pad`.
  void fill_pixels(const Pixels& pixels, std::byte* out) const;
};

/// The samples of `raw`, whose first size is their number, as the input wants them: of its size, or
/// with a crop pictures of any size that the crop can be cut from. Throws Error(Fault::data): E0341
/// when a sample has another number of elements, E0343 when there are none, E0344 when a value does
/// not fit the dtype, E0365 when the crop does not fit. `file` is for messages. With `extents`
/// `raw` is the bytes of pictures of these sizes.
Column make_column(Array raw, const InputDecl& input, const FillSpec& fill,
                   const AugmentSpec& augment, std::string file, std::vector<Extent> extents = {});

/// Makes the column of a picture input one of pictures of the declared size. Throws
/// Error(Fault::data): E0344 when what lies around them does not fit the dtype.
void make_picture(Column& column, const InputDecl& input, const FillSpec& fill);

/// One number that was read from text into the form of the column; false when it does not fit.
bool append(Column& column, double value);
/// Whether `value` was one of the integers of `dtype`, and appends it.
bool append(Column& column, int64_t value);

}  // namespace braid
