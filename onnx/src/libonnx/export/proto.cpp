#include "libonnx/export/proto.h"

#include <algorithm>

#include <braid/core/error.h>

namespace braid::onnx_export {

int32_t element_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return onnx::TensorProto::FLOAT;
    case DType::f64:
      return onnx::TensorProto::DOUBLE;
    case DType::f16:
      return onnx::TensorProto::FLOAT16;
    case DType::bf16:
      return onnx::TensorProto::BFLOAT16;
    case DType::i64:
      return onnx::TensorProto::INT64;
    case DType::i32:
      return onnx::TensorProto::INT32;
    case DType::u8:
      return onnx::TensorProto::UINT8;
    case DType::boolean:
      return onnx::TensorProto::BOOL;
  }
  bug("a dtype without a name in ONNX");
}

void set_tensor(onnx::TensorProto& to, const std::string& name, const Array& array) {
  if (!name.empty()) to.set_name(name);
  to.set_data_type(element_type(array.dtype));
  for (int64_t d : array.dims) to.add_dims(d);
  to.set_raw_data(array.bytes.data(), array.bytes.size());
}

void set_attribute(onnx::AttributeProto& to, const std::string& name, const Attr& value) {
  to.set_name(name);
  if (value.is<int64_t>() || value.is<bool>()) {
    to.set_type(onnx::AttributeProto::INT);
    to.set_i(value.is<bool>() ? int64_t(value.as_bool()) : value.as_int());
  } else if (value.is<double>()) {
    to.set_type(onnx::AttributeProto::FLOAT);
    to.set_f(float(value.as_double()));
  } else if (value.is<std::string>()) {
    to.set_type(onnx::AttributeProto::STRING);
    to.set_s(value.as_text());
  } else {
    to.set_type(onnx::AttributeProto::INTS);
    for (auto& each : value.as_list()) to.add_ints(each.as_int());
  }
}

void set_tensor_attribute(onnx::AttributeProto& to, const std::string& name, const Array& array) {
  to.set_name(name);
  to.set_type(onnx::AttributeProto::TENSOR);
  set_tensor(*to.mutable_t(), "", array);
}

void set_type(onnx::ValueInfoProto& to, const std::string& name, DType dtype, const Shape& shape) {
  to.set_name(name);
  auto& tensor = *to.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(element_type(dtype));
  auto& dims = *tensor.mutable_shape();
  for (Dim dim : shape) {
    auto& one = *dims.add_dim();
    if (dim.is_free() ? dim.free_name() != "?" : dim.batched)
      one.set_dim_param(to_string(dim));
    else if (!dim.is_free())
      one.set_dim_value(dim.value);
  }
}

}  // namespace braid::onnx_export
