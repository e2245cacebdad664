#pragma once
#include "libonnx/import/importing.h"

namespace braid::onnx_import {

/// A dimension that the file leaves open, and the two sizes that it was tried with.
struct Free {
  std::string name;
  int64_t one = 0, two = 0;
};
using Frees = std::vector<Free>;

/// The canonical text. `other` is the same network with the other sizes: parameters that differ are
/// said by name. Throws Uncovered where they cannot.
std::string write_text(const Network& network, const Network* other, const Frees& frees,
                       const std::string& weights);

}  // namespace braid::onnx_import
