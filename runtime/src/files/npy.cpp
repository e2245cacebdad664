#include <utility>

#include <braid/runtime/array.h>

#include "files/booleans.h"
#include "files/npy_format.h"
#include "posix/atomic_file.h"

namespace braid {

Array read_npy(const std::string& path) {
  posix::InputFile file(path);
  NpyHeader header = read_npy_header(file);
  Array array = Array::zeros(header.dtype, std::move(header.dims));
  file.read(header.data_begin, array.bytes);
  if (has_bad_booleans(array)) {
    throw Error(Fault::data, "E0305", "'" + path + "': it holds bools other than 0 and 1");
  }
  return array;
}

void write_npy(const std::string& path, const Array& array) {
  std::string header = npy_header(array.dtype, array.dims);
  posix::AtomicFile file(path);
  file.write(std::as_bytes(std::span(header)));
  file.write(array.bytes);
  file.commit();
}

}  // namespace braid
