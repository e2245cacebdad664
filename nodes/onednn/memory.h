// Between Braid's operands and oneDNN's memory descriptions.
//
//   auto md = description({DType::f32, {64, 20, 28, 28}, "aBcd16b"});
//   format_of(md);   // "aBcd16b"
#pragma once
#include <dnnl.hpp>
#include <optional>

#include <braid/core/kernel.h>

namespace braid::onednn {

using Dims = dnnl::memory::dims;
using Description = dnnl::memory::desc;

dnnl::memory::data_type data_type(DType dtype);

/// The operand as it lies in memory.
Description description(const Operand& operand);

/// Row-major.
Description plain(const Dims& dims, DType dtype = DType::f32);

/// Whatever the implementation likes best.
Description any(const Dims& dims, DType dtype = DType::f32);

/// "" for plain; nothing when no tag describes it.
std::optional<Format> format_of(const Description& md);
inline bool has_format(const Description& md) { return format_of(md).has_value(); }

}  // namespace braid::onednn
