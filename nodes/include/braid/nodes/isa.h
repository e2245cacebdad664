// The instruction set that kernels use: part of the program hash, since bits follow from it.
//
//   host_isa();          // "avx512"
//   pin_isa("avx2");     // the same bits on every host that has AVX2
//   DeviceTraits traits{.kind = "cpu", .isa = current_isa()};
//
// It is a property of the process (oneDNN and Highway both keep it so), hence functions and not a
// value.
#pragma once
#include <string>
#include <string_view>

namespace braid {

/// The best of "sse4", "avx2", "avx512" that this machine has.
std::string host_isa();

/// What kernels made from now on use: the pinned instruction set, else the host's.
std::string current_isa();

/// Restricts all kernels to `isa`. False when the machine lacks it, the name is unknown, or a
/// kernel was made before with another one.
bool pin_isa(std::string_view isa);

}  // namespace braid
