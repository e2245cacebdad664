// Bytes from a file, and whether they are text.
#pragma once
#include <optional>
#include <string>

#include "reading.h"

namespace braid::dsl {

/// The bytes of a regular file of at most 8 MiB, or nothing and in `why` what stands against it.
std::optional<std::string> load_bytes(const std::string& path, std::string& why);

/// Adds `bytes` as a source, if they are UTF-8 without NUL bytes (a byte order mark is dropped).
std::optional<uint32_t> add_text(Reading& reading, std::string name, std::string bytes,
                                 Via via = {});

}  // namespace braid::dsl
