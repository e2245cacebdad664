#include "batch_norm/simd.h"

#include <braid/core/error.h>
#include <hwy/targets.h>

namespace braid::batch_norm {
namespace {

bool machine_has(Isa isa) {
  const int64_t targets = hwy::SupportedTargets();
  return targets & (isa == Isa::avx512 ? HWY_AVX3 : isa == Isa::avx2 ? HWY_AVX2 : HWY_SSE4);
}

}  // namespace

std::string to_string(Isa isa) {
  return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "sse4";
}

std::optional<Isa> resolve_isa(const std::string& name) {
  for (Isa isa : {Isa::avx512, Isa::avx2, Isa::sse4})
    if (name.empty() ? machine_has(isa) : name == to_string(isa)) return isa;
  return std::nullopt;
}

void require_isa(Isa isa) {
  if (!machine_has(isa))
    throw Error(Fault::device, "E0505", "this machine has no " + to_string(isa));
}

}  // namespace braid::batch_norm
