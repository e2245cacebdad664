// Counter-based random numbers: a pure function of (key, index), so that a number never depends on
// threads, devices, graph position or order.
//
//   uint64_t key = random_key(seed, step, hash_text("layer1.dropout"));
//   double u = uniform(key, sample * features + element);   // [0, 1)
#pragma once
#include <cmath>
#include <cstdint>
#include <string_view>

namespace braid {

/// Steele, Lea, Flood: SplitMix64's finalizer, a bijection of 64 bits that passes BigCrush when
/// applied to a counter (OOPSLA 2014).
constexpr uint64_t mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

/// FNV-1a over bytes: a name's hash, the same on every machine.
constexpr uint64_t hash_text(std::string_view text, uint64_t h = 0xcbf29ce484222325ull) {
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return h;
}

/// One stream per (seed, step, name).
constexpr uint64_t random_key(uint64_t seed, uint64_t step, uint64_t name) {
  return mix64(mix64(mix64(seed) ^ step) ^ name);
}

/// 64 random bits at `index` of the stream `key`.
constexpr uint64_t random_bits(uint64_t key, uint64_t index) {
  return mix64(key ^ mix64(index * 0xd1342543de82ef95ull + 1));
}

/// Uniform in [0, 1), 53 bits.
constexpr double uniform(uint64_t key, uint64_t index) {
  return double(random_bits(key, index) >> 11) * 0x1p-53;
}

/// Standard normal by Box and Muller, from two uniforms of the same index.
inline double normal(uint64_t key, uint64_t index) {
  double u = uniform(key, 2 * index), v = uniform(key, 2 * index + 1);
  return std::sqrt(-2 * std::log1p(-u)) * std::cos(6.283185307179586 * v);
}

/// Uniform in [0, n) without bias that matters (n < 2^32).
constexpr uint64_t uniform_below(uint64_t key, uint64_t index, uint64_t n) {
  return ((random_bits(key, index) >> 32) * n) >> 32;
}

}  // namespace braid
