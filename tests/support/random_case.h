// Random patterns over random small streams, each made from one seed.
//
// Streams have few kinds of events, small values and times close together, so that conditions and
// bounds are met often. Rules may still be refused by the loader (as Flink would refuse them): the
// caller leaves those out. Environment: VIGIL_PROPERTY_ROUNDS multiplies the number of samples;
// VIGIL_PROPERTY_SEED is the seed of the first one, the others follow: a failing sample's seed
// makes it the first.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tests/support/pattern_case.h"

namespace vigil::testing {

struct RandomOptions {
  uint32_t rules = 1;           // of the same shape, with different constants
  uint32_t events = 12;         // at most
  uint32_t users = 2;           // distinct keys
  bool always_within = false;   // every rule bounds the whole match
  bool distinct_times = false;  // no two events at the same time
};

PatternCase RandomCase(uint64_t seed, const RandomOptions& options);
// One to three rules; of several of one shape now and then a whole family.
inline RandomOptions RulesOfAShape(uint64_t seed) {
  RandomOptions options;
  options.rules = seed % 50 == 0 ? 130 : seed % 10 == 0 ? 40 : 1 + static_cast<uint32_t>(seed % 3);
  return options;
}
// How to make it again, and what it is.
inline std::string Describe(uint64_t seed, const PatternCase& made) {
  return "VIGIL_PROPERTY_SEED=" + std::to_string(seed) + "\n" + made.ToString();
}

// One rule and a stream in which every choice is read from the bytes: what a fuzzer can steer.
PatternCase CaseFromBytes(std::string_view bytes);

// Calls `sample` with `count` seeds, times VIGIL_PROPERTY_ROUNDS.
void ForEachSeed(uint32_t count, const std::function<void(uint64_t seed)>& sample);

}  // namespace vigil::testing
