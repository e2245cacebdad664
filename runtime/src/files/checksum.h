// A checksum over everything that a file of tensors says: names, types, sizes, data, metadata.
#pragma once
#include <string>

#include <braid/runtime/safetensors.h>

namespace braid {

/// 128 bits of XXH3 in hexadecimal. It guards against accidents, not against forgery.
std::string checksum(const TensorFile& file);

}  // namespace braid
