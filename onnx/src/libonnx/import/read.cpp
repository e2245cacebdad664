#include "libonnx/import/read.h"

#include <onnx/checker.h>
#include <onnx/defs/schema.h>
#include <onnx/shape_inference/implementation.h>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <filesystem>
#include <fstream>
#include <set>

#include <braid/core/error.h>

namespace braid::onnx_import {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t most_bytes = INT32_MAX;  // of a message of protobuf
constexpr int most_nodes = 1 << 18;
constexpr int deepest_graph = 8;

std::string slurp(const fs::path& path, uint64_t offset, uint64_t length) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(length, '\0');
  if (!file.seekg(std::streamoff(offset)) || !file.read(bytes.data(), std::streamsize(length)))
    malformed("cannot read " + path.string());
  return bytes;
}

void recognise(const std::string& bytes) {
  const std::string help =
      "tools/braid_export.py turns PyTorch models into networks; or save the "
      "model with torch.onnx.export";
  if (bytes.starts_with("PK"))
    malformed("this is a zip archive, as torch.save writes, and no ONNX file", help);
  if (bytes.size() > 2 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5)
    malformed("this is a pickle, which can run any code, and no ONNX file", help);
}

/// Where a tensor's data lie: a plain file in the model's folder, reached without links.
fs::path external_path(const std::string& folder, const std::string& location,
                       const std::string& who) {
  if (folder.empty()) malformed(who + " has its data in another file");
  const fs::path given(location);
  if (location.empty() || location.find('\0') != location.npos || given.is_absolute())
    malformed(who + " has its data at '" + location + "', which is no path below the model");
  fs::path at = folder;
  for (auto& part : given) {
    if (part == "." || part.empty()) continue;
    if (part == "..") malformed(who + " has its data outside the model's folder: " + location);
    at /= part;
    std::error_code none;
    if (fs::is_symlink(fs::symlink_status(at, none)))
      malformed(who + " has its data behind a link: " + location);
  }
  std::error_code none;
  if (!fs::is_regular_file(fs::symlink_status(at, none)))
    malformed(who + " has its data in '" + location + "', which is no file beside the model");
  return at;
}

uint64_t number_of(const std::string& text, const std::string& who) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != text.npos)
    malformed(who + " has external data at '" + text + "', which is no number");
  return std::stoull(text);
}

void bring_in(onnx::TensorProto& tensor, const std::string& folder) {
  if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return;
  const std::string who = "the tensor '" + tensor.name() + "'";
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
  for (auto& entry : tensor.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = number_of(entry.value(), who);
    if (entry.key() == "length") length = number_of(entry.value(), who);
  }
  const auto path = external_path(folder, location, who);
  const uint64_t size = fs::file_size(path);
  if (offset > size || (length && *length > size - offset))
    malformed(who + " lies behind the end of " + location);
  const std::vector<int64_t> dims(tensor.dims().begin(), tensor.dims().end());
  const auto bytes = bytes_of(DType::i64, dims);
  const uint64_t present = length ? *length : size - offset;
  if (!bytes || uint64_t(*bytes) / 8 > present || present > uint64_t(*bytes) ||
      present > most_bytes)
    malformed(who + " has " + std::to_string(present) +
              " bytes of external data, which is not its size");
  tensor.set_raw_data(slurp(path, offset, present));
  tensor.clear_external_data();
  tensor.clear_data_location();
}

/// Names are made once and before they are used; tensors are what they say.
class Checks {
 public:
  explicit Checks(std::string folder) : folder_(std::move(folder)) {}

  void graph(onnx::GraphProto& graph, std::set<std::string> known, int depth) {
    if (depth > deepest_graph)
      malformed("graphs lie deeper in each other than " + std::to_string(deepest_graph));
    nodes_ += graph.node_size();
    if (nodes_ > most_nodes)
      malformed("there are more than " + std::to_string(most_nodes) + " nodes");
    std::set<std::string> made, weights;
    for (auto& tensor : *graph.mutable_initializer()) {
      this->tensor(tensor);
      if (tensor.name().empty()) malformed("an initializer has no name");
      if (!weights.insert(tensor.name()).second)
        malformed("the initializer '" + tensor.name() + "' is there twice");
    }
    for (auto& input : graph.input())
      if (input.name().empty() || !made.insert(input.name()).second)
        malformed("the input '" + input.name() + "' is there twice, or has no name");
    made.insert(weights.begin(), weights.end());
    std::set<std::string> later;
    for (auto& node : graph.node()) later.insert(node.output().begin(), node.output().end());
    known.insert(made.begin(), made.end());
    for (auto& node : *graph.mutable_node()) this->node(node, made, known, later, depth);
    for (auto& output : graph.output())
      if (!known.contains(output.name()))
        malformed("nothing makes the output '" + output.name() + "'");
  }

 private:
  void node(onnx::NodeProto& node, std::set<std::string>& made, std::set<std::string>& known,
            const std::set<std::string>& later, int depth) {
    const std::string who = "the node '" + node.name() + "' (" + node.op_type() + ")";
    for (auto& name : node.input()) {
      if (name.empty() || known.contains(name)) continue;
      if (later.contains(name))
        malformed(who + " reads '" + name +
                  "', which is made after it: nodes are not in order, or form a cycle");
      malformed(who + " reads '" + name + "', which nothing makes");
    }
    std::set<std::string> attributes;
    for (auto& attribute : *node.mutable_attribute()) {
      if (!attributes.insert(attribute.name()).second)
        malformed(who + " has the attribute '" + attribute.name() + "' twice");
      if (attribute.has_t()) tensor(*attribute.mutable_t());
      for (auto& each : *attribute.mutable_tensors()) tensor(each);
      if (attribute.has_g()) graph(*attribute.mutable_g(), known, depth + 1);
      for (auto& each : *attribute.mutable_graphs()) graph(each, known, depth + 1);
    }
    for (auto& name : node.output()) {
      if (name.empty()) continue;
      if (!made.insert(name).second)
        malformed(who + " makes '" + name + "', which is there already");
      known.insert(name);
    }
  }

  void tensor(onnx::TensorProto& tensor) {
    bring_in(tensor, folder_);
    if (tensor.data_type() == onnx::TensorProto::STRING || tensor.has_segment()) return;
    check(tensor);
  }

  static void check(const onnx::TensorProto& tensor) {
    if (tensor.data_type() < onnx::TensorProto::FLOAT ||
        tensor.data_type() > onnx::TensorProto::BFLOAT16)
      malformed("the tensor '" + tensor.name() + "' has no type of elements");
    if (tensor.data_type() == onnx::TensorProto::COMPLEX64 ||
        tensor.data_type() == onnx::TensorProto::COMPLEX128)
      return;
    check_elements(tensor);
  }

  std::string folder_;
  int nodes_ = 0;
};

bool known_to_libonnx(const onnx::GraphProto& graph, int opset) {
  for (auto& node : graph.node())
    if (!(node.domain().empty() || node.domain() == "ai.onnx") ||
        !onnx::OpSchemaRegistry::Schema(node.op_type(), opset, ""))
      return false;
  return true;
}

}  // namespace

void malformed(const std::string& message, const std::string& help) {
  throw Error(Fault::data, "E0295", message).help(help);
}

int opset_of(const onnx::ModelProto& model) {
  for (auto& set : model.opset_import())
    if (set.domain().empty() || set.domain() == "ai.onnx")
      return int(std::clamp<int64_t>(set.version(), 0, 1000));
  return 1;
}

std::unique_ptr<onnx::ModelProto> parse_model(const std::string& bytes, const std::string& folder) {
  recognise(bytes);
  auto model = std::make_unique<onnx::ModelProto>();
  google::protobuf::LogSilencer quiet;
  google::protobuf::io::ArrayInputStream stream(bytes.data(), int(bytes.size()));
  google::protobuf::io::CodedInputStream in(&stream);
  in.SetRecursionLimit(64);
  if (bytes.size() > most_bytes || !model->ParseFromCodedStream(&in) || !in.ConsumedEntireMessage())
    malformed("this is no ONNX file, or a part of one");
  if (!model->has_graph() || !model->graph().node_size())
    malformed("this is no ONNX file: it has no graph with nodes");
  Checks(folder).graph(*model->mutable_graph(), {}, 0);
  return model;
}

std::unique_ptr<onnx::ModelProto> read_model(const std::string& path) {
  std::error_code why;
  const auto status = fs::status(path, why);
  if (!fs::is_regular_file(status)) malformed("cannot read " + path + ": it is no file");
  const uint64_t size = fs::file_size(path, why);
  if (why || size > most_bytes) malformed(path + " is larger than the 2 GiB of an ONNX file");
  auto folder = fs::canonical(fs::path(path), why).parent_path().string();
  return parse_model(slurp(path, 0, size), folder);
}

void check_with_libonnx(onnx::ModelProto& model) {
  if (!known_to_libonnx(model.graph(), opset_of(model))) return;
  const char* who = "ONNX's checker";
  const char* code = "E0295";
  try {
    onnx::checker::check_model(model);
    who = "ONNX's inference of shapes", code = "E0372";
    onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(),
                                       {false, 0, false});
  } catch (const std::exception& e) {
    const std::string text = e.what();
    throw Error(Fault::data, code,
                std::string(who) + " refuses it: " + text.substr(0, text.find("\n\n")));
  }
}

}  // namespace braid::onnx_import
