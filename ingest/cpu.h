// What of the machine the scans of this room use beyond AVX2 and BMI, which the project is compiled
// for.
#pragma once

#include <bit>
#include <cstdint>
#include <immintrin.h>

// Marks a function that is compiled for, and may only be called on, machines of
// SimdLevel::kAvx512.
#define VIGIL_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2")))
#define VIGIL_INLINE __attribute__((always_inline)) inline

namespace vigil::ingest {

enum class SimdLevel : uint8_t {
  kAvx2,
  kAvx512,  // since 2019 (Ice Lake, Zen 4): compares 64 bytes at once, compresses masks to
            // positions
};

inline SimdLevel BestSimdLevel() {
  static const bool has_avx512 =
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
  return has_avx512 ? SimdLevel::kAvx512 : SimdLevel::kAvx2;
}

// Writes `base` + the position of each of the mask's bits to `out` and returns the end. Four at a
// time without a branch, since the usual number varies from block to block: up to three more are
// written behind the end.
VIGIL_INLINE uint32_t* AppendPositions(uint64_t mask, uint32_t base, uint32_t* out) {
  uint32_t* const end = out + std::popcount(mask);
  while (true) {
    for (int i = 0; i < 4; ++i) {
      out[i] = base + static_cast<uint32_t>(_tzcnt_u64(mask));
      mask = _blsr_u64(mask);
    }
    out += 4;
    if (out >= end) [[likely]]
      return end;
  }
}

}  // namespace vigil::ingest
