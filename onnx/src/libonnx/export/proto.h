// Braid's values in the words of ONNX's messages.
#pragma once
#include <string>

#include <onnx/onnx_pb.h>

#include <braid/core/attr.h>
#include <braid/core/type.h>
#include <braid/runtime/array.h>

namespace braid::onnx_export {

int32_t element_type(DType dtype);
void set_tensor(onnx::TensorProto& to, const std::string& name, const Array& array);
void set_attribute(onnx::AttributeProto& to, const std::string& name, const Attr& value);
void set_tensor_attribute(onnx::AttributeProto& to, const std::string& name, const Array& array);
/// Dimensions that are not known get their names: "N", "2*N", "L".
void set_type(onnx::ValueInfoProto& to, const std::string& name, DType dtype, const Shape& shape);

}  // namespace braid::onnx_export
