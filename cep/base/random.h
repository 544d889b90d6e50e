// Random numbers of the system's: seeds of hashes that nobody is to foresee, ids of a start.
#pragma once

#include <cstdint>
#include <random>

namespace vigil {

// 64 bits. Thread safe.
inline uint64_t RandomNumber() {
  std::random_device random;
  return (uint64_t{random()} << 32) | random();
}

}  // namespace vigil
