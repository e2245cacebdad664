// What an exporter of one layer type sees: its call, names and shapes of its values, its weights,
// and where nodes go. Shapes hold for every batch and every free size: a dimension is known, or it
// is not (`known`), and operators are chosen so that what is not known does not matter.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <braid/compiler/compile.h>
#include <braid/core/graph.h>
#include <braid/runtime/array.h>

namespace onnx {
class GraphProto;
class NodeProto;
}  // namespace onnx

namespace braid::onnx_export {

using Ints = std::vector<int64_t>;
using Names = std::vector<std::string>;

/// Why a layer cannot be said; the exporter adds which layer it is.
struct Unsayable {
  std::string reason;
};
[[noreturn]] void cannot(std::string reason);

/// Names in use: of values, initializers and nodes.
class Pool {
 public:
  /// `name`, or with a number behind it where that is taken.
  std::string take(const std::string& name);

 private:
  std::set<std::string> taken_;
};

/// What all calls of a network share.
struct Network {
  const Graph& graph;
  const std::vector<Shape>& shapes;  ///< by value; dimensions that are free have a name
  const std::map<std::string, Array>& weights;
  std::map<std::string, std::string> ties = {};  ///< key of a parameter -> key of the one it is
  int opset = 17;
  onnx::GraphProto& to;
  Pool values = {}, nodes = {};
  std::map<int, std::string> names = {};    ///< value -> its name so far
  std::map<int, std::string> results = {};  ///< value -> the output that its last writer makes
  std::map<int, int> last_writer = {};      ///< value -> call
  std::set<std::string> initializers = {};  ///< keys that are used

  /// The name of an initializer, which is added where it is not there yet. Throws
  /// Error(data, "E0374") for a tensor that is missing.
  std::string initializer(const std::string& key);
};

/// As an attribute.
Attr list(const Ints& values);

/// An attribute list in Braid's own words: integers, floats, text, lists of either.
using Attributes = Dict;

class Exporting {
 public:
  Exporting(Network& network, const Call& call, int index);

  const Call& call() const { return call_; }
  const Dict& params() const { return call_.params; }
  int opset() const { return network_.opset; }
  const Graph& graph() const { return network_.graph; }

  // Inputs and outputs.
  size_t inputs() const { return call_.in.size(); }
  size_t outputs() const { return call_.out.size(); }
  const std::string& in(size_t i = 0) const { return network_.names.at(call_.in.at(i)); }
  bool same_input(size_t a, size_t b) const { return call_.in.at(a) == call_.in.at(b); }
  const Shape& shape(size_t i = 0) const { return network_.shapes[size_t(call_.in.at(i))]; }
  const Shape& result(size_t i = 0) const { return network_.shapes[size_t(call_.out.at(i))]; }
  DType dtype(size_t i = 0) const {
    return network_.graph.values[size_t(call_.in.at(i))].type.dtype;
  }
  size_t rank(size_t i = 0) const { return shape(i).size(); }
  /// A parameter that counts dimensions of the input, from 0.
  int64_t axis(const std::string& name) const;
  Ints axes(const std::string& name) const;
  /// One number for each of `length`; none where it was left out.
  Ints ints(const std::string& name, size_t length) const;

  /// The initializer of a weight or buffer of this layer.
  std::string weight(const std::string& name) { return network_.initializer(key(name)); }
  const Array& values_of(const std::string& name) const;

  // Constants are nodes, so that initializers are the weights and nothing else.
  std::string floats(const std::vector<float>& values, const Ints& dims);
  std::string scalar(double value) { return floats({float(value)}, {}); }
  std::string integers(const Ints& values);
  std::string integer(int64_t value);

  /// One integer in a list: the size of a free dimension, read off the input of the network that
  /// has it.
  std::string size_of(Dim dim);

  /// A node inside the layer; returns the name of its only result.
  std::string node(const std::string& op, const Names& in, const Attributes& attributes = {});
  /// Several results.
  Names nodes(const std::string& op, const Names& in, size_t results,
              const Attributes& attributes = {});
  /// The node that makes the layer's outputs.
  void emit(const std::string& op, const Names& in, const Attributes& attributes = {});
  /// The layer's output is a value that is there already.
  void alias(const std::string& value);

  /// The input `value` of shape `from`, read in row-major order as `to`.
  std::string reshape(const std::string& value, const Shape& from, const Shape& to);
  void emit_reshape(const std::string& value, const Shape& from, const Shape& to);

 private:
  std::string key(const std::string& name) const;
  onnx::NodeProto& add(const std::string& op, const Names& in, const Attributes& attributes,
                       const std::string& name);
  std::string target(const std::string& value, const Shape& from, const Shape& to);
  std::string constant(onnx::NodeProto& node);

  Network& network_;
  const Call& call_;
  int index_;
};

inline bool known(Dim dim) { return !dim.batched && !dim.is_free(); }
/// Throws Unsayable where the size is not known; `what` says what needs it.
int64_t known(Dim dim, const char* what);
bool all_known(const Shape& shape, size_t from = 0);

/// How a layer type is said, and the operators that it may take, for the page about it.
struct Exporter {
  std::function<void(Exporting&)> run;
  std::string operators;
};
using Exporters = std::map<std::string, Exporter>;

void add_pointwise(Exporters& table);
void add_arithmetic(Exporters& table);
void add_convolutions(Exporters& table);
void add_pooling(Exporters& table);
void add_normalization(Exporters& table);
void add_shapes(Exporters& table);
void add_reductions(Exporters& table);
void add_resizing(Exporters& table);
void add_products(Exporters& table);
void add_attention(Exporters& table);
const Exporters& exporters();

}  // namespace braid::onnx_export
