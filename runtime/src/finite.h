// Looks for numbers that are none: NaN and infinities in f32 and f64; what is of another type is
// finite.
#pragma once
#include <cstdint>
#include <string>

#include <braid/core/type.h>

namespace braid {

bool all_finite(const void* data, DType dtype, int64_t count);

/// Place of the first that is not finite, or -1.
int64_t first_not_finite(const void* data, DType dtype, int64_t count);

/// "1 NaN, 3 infinite". Counts do not depend on the order in which a memory format keeps them.
std::string what_is_not_finite(const void* data, DType dtype, int64_t count);

}  // namespace braid
