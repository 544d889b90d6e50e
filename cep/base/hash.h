// Stable hashes: XXH3 with fixed seeds.
//
// Results are part of the disk format and of alert ids (key groups, event and alert identity):
// never change the algorithm, the seeds or the byte layout of what is hashed. Source: xxHash 0.8,
// XXH3 (stable since 0.8.0).
#pragma once

#define XXH_INLINE_ALL
#include <cstdint>
#include <string>
#include <string_view>

#include <xxhash.h>

namespace vigil {

// 64-bit hash of `bytes`.
inline uint64_t Hash64(std::string_view bytes, uint64_t seed = 0) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

// A 128-bit hash; ordered and compared as the number hi * 2^64 + lo.
struct Hash128 {
  uint64_t hi = 0;
  uint64_t lo = 0;
  auto operator<=>(const Hash128&) const = default;
};

inline Hash128 HashBytes128(std::string_view bytes, uint64_t seed = 0) {
  const XXH128_hash_t h = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {h.high64, h.low64};
}

// Mixes one 64-bit number; a bijection (splitmix64's finaliser).
inline uint64_t Mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// 32 lower-case hexadecimal digits.
std::string ToHex(const Hash128& hash);

}  // namespace vigil
