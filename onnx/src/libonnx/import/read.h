// ONNX files as they come: from strangers. Everything that is counted is checked before memory is
// taken for it.
#pragma once
#include <memory>
#include <string>

#include <onnx/onnx_pb.h>

#include <braid/runtime/array.h>

namespace braid::onnx_import {

/// Throws Error(data, "E0295").
[[noreturn]] void malformed(const std::string& message, const std::string& help = {});

/// The elements: floating ones as f32, integers and bools as i64 unless they are i32.
Array to_array(const onnx::TensorProto& tensor);
/// Throws where the elements are not as many as it announces.
void check_elements(const onnx::TensorProto& tensor);

/// A parsed file in which names are defined once and before they are used, tensors have the data
/// that they announce, and external data have been brought in.
std::unique_ptr<onnx::ModelProto> read_model(const std::string& path);
/// `folder` = where external data may lie, empty = nowhere.
std::unique_ptr<onnx::ModelProto> parse_model(const std::string& bytes, const std::string& folder);

/// ONNX's own checker and inference of shapes, which fills in value_info; after the checks above.
void check_with_libonnx(onnx::ModelProto& model);

int opset_of(const onnx::ModelProto& model);

}  // namespace braid::onnx_import
