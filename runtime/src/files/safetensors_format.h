// What the reader and the writer of safetensors share.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <braid/core/type.h>
#include <braid/runtime/safetensors.h>

namespace braid::safetensors {

inline constexpr int64_t header_limit = 100'000'000;  ///< the reference reader's
inline constexpr size_t tensor_limit = 100'000;
inline constexpr std::string_view metadata_key = "__metadata__";

inline constexpr std::array<std::pair<std::string_view, DType>, 8> dtypes = {{
    {"F64", DType::f64},
    {"I64", DType::i64},
    {"F32", DType::f32},
    {"I32", DType::i32},
    {"F16", DType::f16},
    {"BF16", DType::bf16},
    {"U8", DType::u8},
    {"BOOL", DType::boolean},
}};

/// Parses and checks a header for `data_size` bytes of data. `file` is for messages.
TensorListing parse_header(const std::string& file, std::string_view json, int64_t data_size);

/// A name from a file, fit for a message: short and without control characters.
std::string shown(std::string_view name);

}  // namespace braid::safetensors
