// The file formats of data sources.
#pragma once
#include <span>
#include <string>
#include <vector>

#include <braid/core/model.h>
#include <braid/runtime/array.h>

#include "data/column.h"
#include "data/spec.h"

namespace braid {

/// An IDX file, plain or gz: unsigned bytes stay, signed bytes and 16 bits become i32. Throws
/// Error(Fault::data): E0340 for a damaged or lying file, beside those of reading.
Array read_idx(const std::string& path, const Mark& mark);

/// The elements of a .npy file.
Array read_npy_samples(const std::string& path, const Mark& mark);

/// The columns of a table, one Column per fill that is not drawn. Throws Error(Fault::data): E0345
/// at a line of the table, E0341 when the number of columns does not fit the input.
std::vector<Column> read_csv(const std::string& path, const SourceSpec& spec,
                             std::span<const InputDecl> inputs);

/// The bytes of the pictures, one after the other, and their sizes.
struct Pictures {
  Array array;                       ///< [samples, (channels,) height, width], or all bytes
  std::vector<Extent> extents = {};  ///< one for each; empty = all are alike
};

/// The pictures of `Images`, one entry per fill that is not drawn; sample i of all is of files with
/// the same name, and of one size. Throws Error(Fault::data): E0362 for a file without partner,
/// E0363 for another size, E0364 for a kind of image that does not fit the input, E0365 for one
/// that is smaller than the crop, beside those of ImageFile.
std::vector<Pictures> read_images(const SourceSpec& spec, std::span<const InputDecl> inputs,
                                  const std::string& folder);

/// The pictures of `ImageFolder`, and for fills that are labels the number of each one's class.
/// Throws as read_images does, and what find_classes does.
std::vector<Pictures> read_classes(const SourceSpec& spec, std::span<const InputDecl> inputs,
                                   const std::string& folder);

}  // namespace braid
