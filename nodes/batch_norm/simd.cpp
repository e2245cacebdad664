#include "batch_norm/simd.h"

#include <braid/core/error.h>
#include <hwy/targets.h>

namespace braid::batch_norm {
namespace {

bool machine_has(Isa isa) {
  const int64_t targets = hwy::SupportedTargets();
  switch (isa) {
    case Isa::avx512:
      return targets & HWY_AVX3;
    case Isa::avx2:
      return targets & HWY_AVX2;
    case Isa::sse4:
      return targets & HWY_SSE4;
    default:
      return true;
  }
}

}  // namespace

std::string to_string(Isa isa) {
  return isa == Isa::avx512 ? "avx512"
         : isa == Isa::avx2 ? "avx2"
         : isa == Isa::sse4 ? "sse4"
                            : "generic";
}

Isa resolve_isa(const std::string& name) {
  for (Isa isa : {Isa::avx512, Isa::avx2, Isa::sse4})
    if (name.empty() ? machine_has(isa) : name == to_string(isa)) return isa;
  return Isa::generic;
}

void require_isa(Isa isa) {
  if (!machine_has(isa))
    throw Error(Fault::device, "E0601", "this machine has no " + to_string(isa))
        .help("--isa " + to_string(resolve_isa("")) + " is the most that it can run");
}

}  // namespace braid::batch_norm
