// An ONNX file in lines of text, for the tests.
#pragma once
#include <string>
#include <vector>

#include <onnx/onnx_pb.h>

namespace braid::test {

using Lines = std::vector<std::string>;

struct OnnxGraph {
  Lines inputs, outputs;  ///< "image f32 [N, 1, 12, 12]"
  Lines nodes;            ///< "conv1 Conv"; constants left out
  Lines initializers;
  std::string producer;
};

inline std::string line_of(const onnx::ValueInfoProto& value) {
  auto& tensor = value.type().tensor_type();
  const int type = tensor.elem_type();
  std::string text = value.name() + (type == onnx::TensorProto::FLOAT   ? " f32 ["
                                     : type == onnx::TensorProto::INT64 ? " i64 ["
                                                                        : " ? [");
  for (int i = 0; i < tensor.shape().dim_size(); ++i) {
    auto& dim = tensor.shape().dim(i);
    text +=
        (i ? ", " : "") + (dim.has_dim_param() ? dim.dim_param() : std::to_string(dim.dim_value()));
  }
  return text + "]";
}

inline OnnxGraph read_onnx(const std::string& bytes) {
  onnx::ModelProto file;
  OnnxGraph graph;
  if (!file.ParseFromString(bytes)) return graph;
  for (auto& input : file.graph().input()) graph.inputs.push_back(line_of(input));
  for (auto& output : file.graph().output()) graph.outputs.push_back(line_of(output));
  for (auto& node : file.graph().node())
    if (node.op_type() != "Constant") graph.nodes.push_back(node.name() + " " + node.op_type());
  for (auto& tensor : file.graph().initializer()) graph.initializers.push_back(tensor.name());
  graph.producer = file.producer_name();
  return graph;
}

}  // namespace braid::test
