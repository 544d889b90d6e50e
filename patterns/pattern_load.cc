// PatternOperator::AddLoad(): what its rules cost.
#include <bit>

#include "patterns/pattern_operator.h"

namespace vigil::patterns {
namespace {

// Keys whose partial matches are counted at most, for one key space: a look at each costs a miss or
// two of the cache, and the job stands still meanwhile.
constexpr size_t kSampledKeys = 2048;

}  // namespace

double PatternOperator::AddLoad(std::vector<RuleLoad>* by_rule) const {
  // By matcher, a block's or a family's: the rules for which it stands.
  std::vector<std::vector<uint32_t>> rules(matchers_.size());
  for (size_t b = 0; b < patterns_->blocks.size(); ++b) rules[b] = patterns_->blocks[b].rules;
  for (const Space& space : spaces_) {
    for (const SpaceFamily& family : space.families) {
      for (uint32_t b = family.first; b < family.first + family.size; ++b) {
        rules[family.matcher].insert(rules[family.matcher].end(), rules[b].begin(), rules[b].end());
      }
    }
  }
  for (size_t m = 0; m < matchers_.size(); ++m) {
    const double share =
        static_cast<double>(matchers_[m]->steps()) / static_cast<double>(rules[m].size());
    for (const uint32_t rule : rules[m]) (*by_rule)[rule].steps += share;
  }
  double total = 0;
  for (const Space& space : spaces_) {
    space.table.Sample(kSampledKeys, [&](const KeyEntry& entry, double weight) {
      for (const BlockState& state : entry.blocks) {
        const std::vector<uint32_t>& of_matcher = rules[state.block];
        const bool is_family = state.block >= patterns_->blocks.size();
        const auto add = [&](const Run& run, double count) {
          total += count;
          for (uint32_t i = 0; i < of_matcher.size(); ++i) {
            if (is_family || (run.rules >> i & 1) != 0) {
              (*by_rule)[of_matcher[i]].partial_matches += count;
            }
          }
        };
        for (const Run& run : state.runs) add(run, weight);
        const GroupedRuns* grouped = state.grouped();
        if (grouped == nullptr) continue;
        for (const Run& group : grouped->groups()) {
          add(group, weight * static_cast<double>(grouped->CountPaths(group.node)));
        }
      }
    });
  }
  return total;
}

}  // namespace vigil::patterns
