// What of the machine the scans of this room use beyond the baseline the project is compiled for.
#pragma once

#include <bit>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>

// Marks a function that is compiled for, and may only be called on, machines of HasAvx2().
#define VIGIL_AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,pclmul")))
#define VIGIL_HAVE_AVX2 1
// The same for machines of SimdLevel::kAvx512.
#define VIGIL_AVX512                                                                 \
  __attribute__((                                                                    \
      target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi,bmi2,lzcnt," \
             "popcnt,pclmul")))
#else
#define VIGIL_HAVE_AVX2 0
#endif
#define VIGIL_INLINE __attribute__((always_inline)) inline

namespace vigil::ingest {

// Machines since 2013 (Haswell, Zen). On others the scans decline every line and general code does
// the work.
inline bool HasAvx2() {
#if VIGIL_HAVE_AVX2
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                          __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") &&
                          __builtin_cpu_supports("pclmul");
  return has;
#else
  return false;
#endif
}

enum class SimdLevel : uint8_t {
  kNone,
  kAvx2,
  kAvx512,  // since 2019 (Ice Lake, Zen 4): compares 64 bytes at once, compresses masks to
            // positions
};

inline SimdLevel BestSimdLevel() {
#if VIGIL_HAVE_AVX2
  static const SimdLevel best = [] {
    if (!HasAvx2()) return SimdLevel::kNone;
    const bool has = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                     __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
    return has ? SimdLevel::kAvx512 : SimdLevel::kAvx2;
  }();
  return best;
#else
  return SimdLevel::kNone;
#endif
}

#if VIGIL_HAVE_AVX2

// Writes `base` + the position of each of the mask's bits to `out` and returns the end. Four at a
// time without a branch, since the usual number varies from block to block: up to three more are
// written behind the end.
VIGIL_AVX2 VIGIL_INLINE uint32_t* AppendPositions(uint64_t mask, uint32_t base, uint32_t* out) {
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

#endif

}  // namespace vigil::ingest
