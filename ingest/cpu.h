// What of the machine the scans of this room use beyond the baseline the project is compiled for.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>

// Marks a function that is compiled for, and may only be called on, machines of HasAvx2().
#define VIGIL_AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,pclmul")))
#define VIGIL_HAVE_AVX2 1
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

#if VIGIL_HAVE_AVX2

// Writes `base` + the position of each of the `count` bits of `mask` to `out`. Six at a time
// without a branch, since the usual number varies from block to block: up to five more are written
// behind the last one.
VIGIL_AVX2 VIGIL_INLINE void StorePositions(uint64_t mask, uint32_t count, uint32_t base,
                                            uint32_t* out) {
  for (uint32_t done = 0; done == 0 || done < count; done += 6) {
    for (int i = 0; i < 6; ++i) {
      uint32_t position = base + static_cast<uint32_t>(_tzcnt_u64(mask));
      asm("" : "+r"(position));  // keeps g++ from packing the stores into vectors, which is slower
      *out++ = position;
      mask = _blsr_u64(mask);
    }
  }
}

#endif

}  // namespace vigil::ingest
