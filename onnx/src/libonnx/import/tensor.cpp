// Tensors of ONNX files as Arrays.
#include <cstring>

#include <braid/core/attr.h>

#include "libonnx/import/read.h"

namespace braid::onnx_import {
namespace {

using onnx::TensorProto;

/// Bytes of one element in raw_data; 0 = a type that no tensor of Braid comes from.
size_t width_of(int type) {
  switch (type) {
    case TensorProto::FLOAT:
    case TensorProto::INT32:
    case TensorProto::UINT32:
      return 4;
    case TensorProto::DOUBLE:
    case TensorProto::INT64:
    case TensorProto::UINT64:
      return 8;
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16:
    case TensorProto::INT16:
    case TensorProto::UINT16:
      return 2;
    case TensorProto::INT8:
    case TensorProto::UINT8:
    case TensorProto::BOOL:
      return 1;
    default:
      return 0;
  }
}

float half(uint16_t bits) {
  const uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = (bits >> 10) & 31;
  uint32_t mantissa = bits & 1023;
  float value = 0;
  if (exponent == 0) {
    value = float(mantissa) / 16777216.0f;
    return sign ? -value : value;
  }
  const uint32_t out =
      sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | (mantissa << 13);
  std::memcpy(&value, &out, 4);
  return value;
}

float brain(uint16_t bits) {
  const uint32_t out = uint32_t(bits) << 16;
  float value = 0;
  std::memcpy(&value, &out, 4);
  return value;
}

template <class T>
T raw(const std::string& bytes, size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

class Elements {
 public:
  explicit Elements(const TensorProto& tensor)
      : tensor_(tensor), raw_(tensor.has_raw_data()), type_(tensor.data_type()) {}

  size_t count() const {
    if (raw_) {
      const size_t width = width_of(type_), bytes = tensor_.raw_data().size();
      return bytes % width ? SIZE_MAX : bytes / width;
    }
    switch (type_) {
      case TensorProto::FLOAT:
        return size_t(tensor_.float_data_size());
      case TensorProto::DOUBLE:
        return size_t(tensor_.double_data_size());
      case TensorProto::INT64:
        return size_t(tensor_.int64_data_size());
      case TensorProto::UINT32:
      case TensorProto::UINT64:
        return size_t(tensor_.uint64_data_size());
      default:
        return size_t(tensor_.int32_data_size());
    }
  }

  bool floating() const {
    return type_ == TensorProto::FLOAT || type_ == TensorProto::DOUBLE ||
           type_ == TensorProto::FLOAT16 || type_ == TensorProto::BFLOAT16;
  }

  float number(size_t i) const {
    auto& bytes = tensor_.raw_data();
    if (type_ == TensorProto::FLOAT)
      return raw_ ? raw<float>(bytes, i) : tensor_.float_data(int(i));
    if (type_ == TensorProto::DOUBLE)
      return float(raw_ ? raw<double>(bytes, i) : tensor_.double_data(int(i)));
    const auto bits = raw_ ? raw<uint16_t>(bytes, i) : uint16_t(tensor_.int32_data(int(i)));
    return type_ == TensorProto::FLOAT16 ? half(bits) : brain(bits);
  }

  int64_t integer(size_t i) const {
    auto& bytes = tensor_.raw_data();
    if (!raw_) {
      if (type_ == TensorProto::INT64) return tensor_.int64_data(int(i));
      if (type_ == TensorProto::UINT32 || type_ == TensorProto::UINT64)
        return int64_t(tensor_.uint64_data(int(i)));
      return tensor_.int32_data(int(i));
    }
    switch (type_) {
      case TensorProto::INT32:
        return raw<int32_t>(bytes, i);
      case TensorProto::UINT32:
        return raw<uint32_t>(bytes, i);
      case TensorProto::INT16:
        return raw<int16_t>(bytes, i);
      case TensorProto::UINT16:
        return raw<uint16_t>(bytes, i);
      case TensorProto::INT8:
        return raw<int8_t>(bytes, i);
      case TensorProto::UINT8:
      case TensorProto::BOOL:
        return raw<uint8_t>(bytes, i);
      default:
        return raw<int64_t>(bytes, i);
    }
  }

 private:
  const TensorProto& tensor_;
  bool raw_;
  int type_;
};

}  // namespace

void check_elements(const TensorProto& tensor) {
  const std::string who = "the tensor '" + tensor.name() + "'";
  if (!width_of(tensor.data_type()))
    malformed(who + " has elements of type " + std::to_string(tensor.data_type()) +
              ", which is no number");
  const std::vector<int64_t> dims(tensor.dims().begin(), tensor.dims().end());
  const auto bytes = bytes_of(DType::i64, dims);
  if (dims.size() > 64 || !bytes)
    malformed(who + " has sizes that cannot be: " +
              to_string(Attr(Attr::List(dims.begin(), dims.end()))));
  const Elements elements(tensor);
  const auto count = size_t(*bytes / 8);
  if (elements.count() != count)
    malformed(who + " announces " + std::to_string(count) + " elements and has " +
              (elements.count() == SIZE_MAX ? "a part of one" : std::to_string(elements.count())));
}

Array to_array(const TensorProto& tensor) {
  check_elements(tensor);
  const std::vector<int64_t> dims(tensor.dims().begin(), tensor.dims().end());
  const Elements elements(tensor);
  const size_t count = elements.count();
  const DType dtype = elements.floating()                        ? DType::f32
                      : tensor.data_type() == TensorProto::INT32 ? DType::i32
                      : tensor.data_type() == TensorProto::BOOL  ? DType::boolean
                                                                 : DType::i64;
  Array array = Array::zeros(dtype, dims);
  for (size_t i = 0; i < count; ++i) {
    if (dtype == DType::f32)
      array.as<float>()[i] = elements.number(i);
    else if (dtype == DType::i32)
      array.as<int32_t>()[i] = int32_t(elements.integer(i));
    else if (dtype == DType::boolean)
      array.bytes[i] = std::byte(elements.integer(i) != 0);
    else
      array.as<int64_t>()[i] = elements.integer(i);
  }
  return array;
}

}  // namespace braid::onnx_import
