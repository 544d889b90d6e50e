// Writes what a key's partial matches for rules that share them are, as the body of a unit
// (patterns/stored_state.h).
//
// Bytes that stay together are cut together: an event lies in a segment chosen by its position, so
// that of a large unit only the segments that events came to or left are written again, and the
// graph of paths, which is small beside them, behind.
// Thread safety: none.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "cep/event/batch.h"
#include "patterns/key_table.h"
#include "patterns/match_store.h"
#include "patterns/rule_block.h"

namespace vigil::patterns {

// The rules of a unit as its body lists them: by how they call their stages, then by incarnation.
struct ListedRules {
  std::string bytes;
  uint32_t count = 0;
  // The place of each bit of the block among them; empty where partial matches stand for all rules.
  std::vector<uint32_t> places;
};
// Those of `blocks`, of one shape, whose bits are in `masks`.
ListedRules ListRules(std::span<const RuleBlock* const> blocks, std::span<const uint64_t> masks);

class StateEncoder {
 public:
  // `store` outlives this.
  explicit StateEncoder(const MatchStore* store) : store_(*store) {}

  // Captured fields are those that `layout` keeps.
  void UseLayout(const cep::Layout& layout);
  // UnitKind::capture_layout of what is encoded.
  uint64_t capture_layout() const { return capture_layout_; }

  // The body, in segments of about 4 KiB that are valid until the next call. `state` holds partial
  // matches for `rules`, those of other rules are left out.
  std::span<const std::string_view> Encode(const BlockState& state, const RuleBlock& block,
                                           uint64_t mask, const ListedRules& rules);

 private:
  // Places of things in the unit at hand, by their names elsewhere. Most units have a few only.
  class Places {
   public:
    // Adds a name that is not there.
    void Add(uint32_t name, uint32_t place);
    // The place, or null; valid until the next Add().
    const uint32_t* Find(uint32_t name) const { return const_cast<Places*>(this)->Find(name); }
    uint32_t* Find(uint32_t name);
    uint32_t Of(uint32_t name) const { return *Find(name); }  // it is there
    void Set(uint32_t name, uint32_t place) { *Find(name) = place; }
    void Clear();

   private:
    static constexpr size_t kFew = 12;
    std::vector<std::pair<uint32_t, uint32_t>> few_;
    absl::flat_hash_map<uint32_t, uint32_t> many_;  // in place of few_, if there is anything in it
  };

  static constexpr size_t kSegment = 4096;
  static constexpr size_t kEventSegment = 3072;

  void CollectPath(uint32_t node);
  void CollectGraph(const GroupedRuns& grouped, uint64_t mask);
  void PutFieldsAndPlaces();
  void PutEvents();
  void PutEvent(const cep::CapturedEvent& event);
  uint32_t PlaceOf(const cep::Partition& partition) const;
  void PutSetsAndStates(std::span<const Run> runs, std::span<const Run> held,
                        const RuleBlock& block, uint64_t mask, const ListedRules& rules);
  void PutRuns(std::span<const Run> runs, uint64_t mask, bool are_held);
  void PutNodes();
  void PutGraph(const GroupedRuns& grouped);
  uint32_t SetOf(uint64_t rules) const;
  void Forget();

  const MatchStore& store_;
  std::vector<uint32_t> slots_;  // that are captured
  std::string fields_;           // their names, as a body lists them
  uint64_t capture_layout_ = 0;

  // Of the unit at hand.
  Places node_place_;
  Places event_place_;
  std::vector<uint32_t> nodes_;   // in their order: a path's beginning before its end
  std::vector<uint32_t> events_;  // by age
  std::vector<const cep::Partition*> partitions_;
  std::vector<uint64_t> sets_;
  std::vector<uint16_t> states_;
  std::vector<uint32_t> path_;
  std::vector<std::pair<uint32_t, uint32_t>> buckets_;  // segment and event
  std::string bytes_;
  std::vector<size_t> cuts_;
  std::vector<std::string_view> segments_;
};

}  // namespace vigil::patterns
