// The header of a .npy file: eleven bytes of frame around a Python dictionary.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <braid/core/mark.h>
#include <braid/core/type.h>

#include "posix/input_file.h"

namespace braid {

struct NpyHeader {
  DType dtype = DType::f32;
  std::vector<int64_t> dims = {};
  int64_t data_begin = 0;
};

/// Reads and checks the header, also that the file holds exactly the bytes that it announces.
/// Throws Error(Fault::data): E0305 for a damaged file, E0306 for a valid one of another kind.
NpyHeader read_npy_header(const posix::InputFile& file, const Mark& mark = {});

/// Frame and dictionary, padded so that the data begin at a multiple of `multiple`.
std::string npy_header(DType dtype, const std::vector<int64_t>& dims, size_t multiple = 64);

}  // namespace braid
