// What rules cost: how much is looked at for them, and how much they hold.
#pragma once

#include <cstdint>

namespace vigil::patterns {

// Work that is done for several rules at once counts in equal parts for each.
struct RuleLoad {
  double steps = 0;            // rows offered to its partial matches, and these, since the start
  double partial_matches = 0;  // held now; estimated where there are many keys

  void Add(const RuleLoad& from) {
    steps += from.steps;
    partial_matches += from.partial_matches;
  }
};

}  // namespace vigil::patterns
