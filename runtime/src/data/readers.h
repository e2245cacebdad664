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

}  // namespace braid
