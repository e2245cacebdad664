// ONNX to networks: a file of other tools as a Braid file with its weights.
//
//   Imported net = from_onnx("classifier.onnx", registry);
//   Session session(read_text(net.text, "net.yaml", {}, found));
//   session.set_weights(net.weights);
//
// Dimension 0 of the inputs becomes N where the file leaves it open, or wherever samples stay
// apart.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <braid/core/registry.h>
#include <braid/runtime/array.h>

namespace braid {

struct ImportOptions {
  /// What `weights:` of the text says; empty = it has none.
  std::string weights = {};
  /// false: the inputs have no N, whatever their first dimension is. A session runs a network that
  /// has at least one input with N, so that another one has to be added to the Model.
  bool batched = true;
};

struct Imported {
  std::string text;                      ///< the network in canonical form
  std::map<std::string, Array> weights;  ///< under the network's keys
  /// What inputs and outputs are called in the file and in the network, in the file's order.
  std::vector<std::pair<std::string, std::string>> inputs, outputs;
  int opset = 0;
  size_t layers = 0;
};

/// Reads at most 2 GiB, and tensors beside the file only from its own folder and without links.
/// Throws Error(data, "E0295") for what is no ONNX file, damaged, or lies about its sizes;
/// Error(data, "E0372") that lists every node that Braid has no layers for; Error(usage, "E0370")
/// in a build without libonnx.
Imported from_onnx(const std::string& path, const Registry& registry,
                   const ImportOptions& options = {});

/// The same from bytes; tensors outside of them are an error.
Imported from_onnx_bytes(const std::string& bytes, const Registry& registry,
                         const ImportOptions& options = {});

/// Operators that import knows, sorted: for docs/onnx.md.
std::vector<std::string> imported_operators();

}  // namespace braid
