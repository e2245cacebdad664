// What an importer of one operator sees: its node, what its inputs are, and where layers go. Types
// are Braid's own: a layer that Braid refuses is a node that is not covered.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <onnx/onnx_pb.h>

#include <braid/core/builder.h>
#include <braid/core/model.h>
#include <braid/core/registry.h>
#include <braid/runtime/array.h>

namespace braid::onnx_import {

using Ints = std::vector<int64_t>;
using Floats = std::vector<double>;

/// Why a node is not covered; the caller adds which node it is.
struct Uncovered {
  std::string reason;
};
[[noreturn]] void cannot(std::string reason);

/// A tensor that is known: floats, or integers that may be multiples of N.
struct Known {
  Ints dims = {};
  bool floating = false;
  std::vector<Dim> integers = {};
  std::vector<float> floats = {};
  std::string origin = {};  ///< the initializer that it is, or is the transpose of
  bool counted = false;     ///< 0, 1, 2, ... as Range makes them
  size_t size() const { return floating ? floats.size() : integers.size(); }
};

struct View;

/// What a name of the graph stands for.
struct Value {
  std::optional<Link> link = {};
  int id = -1;  ///< in the builder's graph
  std::shared_ptr<const Known> known = {};
  bool failed = false;                    ///< a node before it is not covered
  bool truth = false;                     ///< bool in the file, 1 and 0 in Braid
  std::shared_ptr<const View> view = {};  ///< a part of a layer that several nodes are
};

struct Weight {
  std::string name;
  Array array;
  std::string source = {};  ///< the file's tensor; "" = one that is made of several
};
using Weights = std::vector<Weight>;

/// The network as it grows.
class Network {
 public:
  Network(const Registry& registry, int opset);
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// Adds a layer and returns its outputs. Throws Uncovered where Braid refuses it.
  std::vector<Value> layer(const std::string& name, const std::string& type, Dict params,
                           const std::vector<Value>& from, Weights weights);
  Value input(const std::string& name, const Type& type);
  Type type(const Value& value) const { return builder_.type(value.id); }
  std::string take(std::string name);
  /// A value of the network that has these sizes behind samples and channels.
  std::optional<Value> image_of(const Ints& sizes) const;
  /// Any value of floats that has the batch and more.
  std::optional<Value> batched_value() const;
  const Registry& registry() const { return registry_; }

  Model model;
  std::map<std::string, Array> weights;
  std::map<std::string, Value> values;  ///< by the names of the file
  std::vector<int> input_ids;           ///< in the builder's graph
  std::map<std::string, int> readers;   ///< nodes and outputs that read a name
  std::map<std::string, const onnx::NodeProto*> only_reader;
  std::set<const onnx::NodeProto*> done;  ///< nodes that a layer before them has taken in
  int opset;
  int64_t batch = 0;   ///< of the file, where it is fixed
  int64_t folded = 0;  ///< bytes of what has been computed from constants

 private:
  Call call_of(const LayerItem& item, const std::vector<Value>& from);
  static std::string made_of(const Call& call, const Weights& given);
  void tie_weights(const std::string& path, Weights& given);
  void take_weights(const std::string& path, Weights& given);

  const Registry& registry_;
  Graph graph_;
  Builder builder_;
  std::set<std::string> names_;
  size_t bytes_ = 0;                                             ///< of all weights
  std::map<std::string, std::pair<std::string, Ints>> learned_;  ///< tensor -> parameter, sizes
  std::map<std::string, int> settled_;  ///< layers with statistics, by all that they are made of
};

class Importing {
 public:
  Importing(Network& network, const onnx::NodeProto& node, size_t index);
  /// The layer is called after the scope of another node, where that has one.
  void name_after(const onnx::NodeProto& node);

  Network& network() { return network_; }
  const onnx::NodeProto& node() const { return node_; }
  const std::string& op() const { return node_.op_type(); }
  int opset() const { return network_.opset; }

  // Attributes.
  const onnx::AttributeProto* attribute(const std::string& name) const;
  bool has_attribute(const std::string& name) const { return attribute(name); }
  int64_t integer(const std::string& name, int64_t otherwise) const;
  double number(const std::string& name, double otherwise) const;
  std::string text(const std::string& name, const std::string& otherwise) const;
  Ints integers(const std::string& name, Ints otherwise = {}) const;

  // Inputs.
  size_t inputs() const { return size_t(node_.input_size()); }
  size_t outputs() const { return size_t(node_.output_size()); }
  bool has(size_t i) const { return i < inputs() && !node_.input(int(i)).empty(); }
  const Value& value(size_t i) const;
  const Known* known(size_t i) const { return has(i) ? value(i).known.get() : nullptr; }
  /// A tensor that is known, or the node is not covered; `what` names it.
  const Known& known(size_t i, const char* what) const;
  Ints ints(size_t i, const char* what) const;
  /// A tensor that is known, as the weight `name` of a layer.
  Weight weight(const std::string& name, size_t i, const char* what) const;
  std::optional<double> scalar(size_t i) const;
  std::optional<double> scalar(const std::string& name) const;
  /// An attribute of older opsets, an input of newer ones.
  std::optional<Ints> ints_or_attribute(size_t i, const std::string& name) const;
  /// A value of the network; what is known becomes a Parameter.
  Value operand(size_t i = 0);
  Value operand(const std::string& name);
  /// The same where the file has a bool: 1 and 0.
  Value condition(size_t i = 0);
  Type type(size_t i = 0) { return network_.type(operand(i)); }
  Shape shape(size_t i = 0) { return type(i).shape; }
  size_t rank(size_t i = 0) { return shape(i).size(); }
  /// From 0; within `rank`.
  int64_t axis(int64_t axis, size_t rank) const;

  // Results.
  /// A layer inside the node.
  Value layer(const std::string& type, Dict params, const std::vector<Value>& from,
              Weights weights = {});
  /// The layer that makes the node's outputs.
  void emit(const std::string& type, Dict params, const std::vector<Value>& from,
            Weights weights = {});
  void emit(const std::string& type, Dict params = {}) {
    emit(type, std::move(params), {operand(0)});
  }
  /// The first output is a bool in the file.
  void emit_truth(const std::string& expression, const Attr::List& names,
                  const std::vector<Value>& from);
  void alias(const Value& value, size_t output = 0);
  /// Whether anything needs an output, and what it is where it comes of a layer of its own.
  bool reads(size_t output) const;
  void becomes(size_t output, const Value& value);
  void knows(Known known, size_t output = 0);
  /// The only node that reads the output, where it is of this operator: to be taken in.
  const onnx::NodeProto* next(const std::string& op) const;
  /// That node's result is the layer's; its own importer does not run.
  void take_in(const onnx::NodeProto& node);
  Value constant(const Known& known, const std::string& name);
  /// Known, and what CoordinateGrid says of a value that is there.
  bool is_grid(size_t i) const;

 private:
  std::string base_name() const;
  std::optional<Value> image_of_grid(const Known& known) const;
  Value network_value(const std::string& name);

  Network& network_;
  const onnx::NodeProto& node_;
  const onnx::NodeProto* last_;  ///< whose outputs the layer makes
  std::string named_;            ///< if not after the node
  size_t index_;
};

/// What a Slice takes, from 0, within the sizes; dimensions that it keeps are left out.
struct Cut {
  int64_t dim, start, end, step;
};
std::vector<Cut> cuts_of(Importing& i, const Shape& shape);
/// The sizes of the parts that a Split makes of `cells`.
Ints parts_of(Importing& i, int64_t cells);

Attr list(const Ints& values);
/// One number where all are equal.
Attr short_list(const Ints& values);
Attr size_text(Dim dim);
Attr sizes_of(const Shape& shape);
/// Two times turned is the tensor itself.
std::string turned_origin(const std::string& origin);
Array as_array(const Known& known);
Known to_known(const Array& array);
bool fixed(const Shape& shape, size_t from = 0);
int64_t product(const Ints& dims);

using Importer = std::function<void(Importing&)>;
using Importers = std::map<std::string, Importer>;
void add_conditions(Importers& table);
void add_convolutions(Importers& table);
void add_normalization(Importers& table);
void add_pointwise(Importers& table);
void add_arithmetic(Importers& table);
void add_pooling(Importers& table);
void add_shapes(Importers& table);
void add_slicing(Importers& table);
void add_reductions(Importers& table);
void add_products(Importers& table);
void add_resizing(Importers& table);
const Importers& importers();

/// A BatchNormalization, with a variance that need not be its input, and `params` for its epsilon.
void emit_batch_norm(Importing& i, const std::string& variance, Dict params);

/// Computes a node whose inputs are all known, or a Shape; false = it is none of those.
bool fold(Importing& i);

}  // namespace braid::onnx_import
