// Networks to ONNX: what a Model computes in eval mode, with its weights, in one file that ONNX
// Runtime and other tools read.
//
//   Session session = Session::open("digits.yaml");
//   session.load_weights("digits.safetensors");
//   export_onnx(session.model(), session.weights(), session.registry(), "digits.onnx");
//
// One replica, no losses, no metrics, f32. Nodes are called as the layers are, initializers as the
// weights' keys, inputs and outputs as in the file; N and free dimensions are dimensions by name.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <braid/core/registry.h>
#include <braid/runtime/array.h>

namespace braid {

struct ExportOptions {
  int opset = 17;  ///< 13 to 17
  /// Names of outputs or layers; none = the declared outputs.
  std::vector<std::string> outputs = {};
};

/// The bytes of the file; equal arguments give equal bytes. The result has passed ONNX's checker
/// and its inference of types and shapes. Throws Error(model, "E0371") that lists every layer that
/// ONNX cannot say, Error(usage, "E0370") in a build without libonnx, Error(usage, "E0373") for
/// another opset and Error(data, "E0374") for weights that are missing, of another shape, or larger
/// than the 2 GB that such a file can hold.
std::string to_onnx(const Model& model, const std::map<std::string, Array>& weights,
                    const Registry& registry, const ExportOptions& options = {});

/// The same into a file, which is whole or absent. Throws Error(output, "E0601"), too.
void export_onnx(const Model& model, const std::map<std::string, Array>& weights,
                 const Registry& registry, const std::string& path,
                 const ExportOptions& options = {});

/// Layer types and the operators of ONNX that may stand for them, sorted: for docs/onnx.md.
std::vector<std::pair<std::string, std::string>> onnx_operators();

}  // namespace braid
