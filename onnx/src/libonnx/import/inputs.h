// The inputs of a file: which of their dimensions is the batch, which are free and what they are
// called.
#pragma once
#include <map>
#include <string>
#include <vector>

#include <onnx/onnx_pb.h>

#include <braid/core/type.h>

#include "libonnx/import/write.h"

namespace braid::onnx_import {

/// Throws Error(data, "E0372") for what Braid has no values of; `who` has the type.
DType dtype_of(int type, const std::string& who);
/// Null where the file does not say it.
const onnx::TensorShapeProto* shape_of(const onnx::ValueInfoProto& value);
inline bool open(const onnx::TensorShapeProto::Dimension& dim) { return dim.dim_value() <= 0; }

/// Which inputs' first dimension is the batch, and how large it is in the file (0 = open).
struct Plan {
  std::vector<bool> batched;
  int64_t batch = 0;
};

class Inputs {
 public:
  /// Those that are no weights.
  explicit Inputs(const onnx::GraphProto& graph);

  size_t size() const { return inputs_.size(); }
  const std::string& name(size_t k) const { return inputs_[k]->name(); }
  /// What may be the batch, the likeliest first.
  std::vector<Plan> plans(bool batched) const;
  /// With the first or the second of the sizes that free dimensions are tried with.
  Type type(size_t k, bool batched, bool second, int64_t least);
  const Frees& frees() const { return frees_; }
  void forget() { frees_.clear(); }

 private:
  std::string free_name(const onnx::TensorShapeProto& shape, int d);

  std::vector<const onnx::ValueInfoProto*> inputs_;
  std::map<std::string, std::string> free_names_;
  Frees frees_;
};

}  // namespace braid::onnx_import
