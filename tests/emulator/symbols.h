#pragma once
#include <string>

namespace emulator {

/// The name of a function of this program or of a library in it, by their symbol tables: kernels
/// are local to their files, so the dynamic linker does not know them.
const std::string& name_of(const void* function);

}  // namespace emulator
