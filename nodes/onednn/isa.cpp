#include <braid/nodes/isa.h>

#include <dnnl.h>
#include <hwy/targets.h>

#include <array>

namespace braid {
namespace {

struct Level {
  std::string_view name;
  dnnl_cpu_isa_t onednn;
  int64_t highway;  ///< its best target; in Highway a better target is a lower bit
};

constexpr std::array<Level, 3> levels = {{{"sse4", dnnl_cpu_isa_sse41, HWY_SSE4},
                                          {"avx2", dnnl_cpu_isa_avx2, HWY_AVX2},
                                          {"avx512", dnnl_cpu_isa_avx512_core, HWY_AVX3}}};

bool host_has(const Level& level) {
  if (level.name == "avx512")
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
  if (level.name == "avx2") return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return __builtin_cpu_supports("sse4.1");
}

// oneDNN's levels are sets of bits; the highest of ours that it contains counts.
const Level& effective() {
  unsigned has = unsigned(dnnl_get_effective_cpu_isa());
  const Level* best = &levels[0];
  for (auto& level : levels)
    if ((has & unsigned(level.onednn)) == unsigned(level.onednn)) best = &level;
  return *best;
}

}  // namespace

std::string host_isa() {
  const Level* best = &levels[0];
  for (auto& level : levels)
    if (host_has(level)) best = &level;
  return std::string(best->name);
}

std::string current_isa() { return std::string(effective().name); }

bool pin_isa(std::string_view isa) {
  for (auto& level : levels) {
    if (level.name != isa || !host_has(level)) continue;
    // oneDNN refuses once a primitive was made; that is fine when it runs at this level already.
    if (dnnl_set_max_cpu_isa(level.onednn) != dnnl_success && effective().name != isa) return false;
    hwy::DisableTargets(level.highway - 1);
    return true;
  }
  return false;
}

}  // namespace braid
