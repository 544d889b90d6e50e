// A unit of state: what one rule or feature keeps for one key.
//
// Its key and the head of its value are formats of this room; its body is its owner's. A unit is
// stored in parts, each a version of its own: part 0 holds the head and the first segment, every
// other part one more segment. So a change to a large unit writes the segments that changed.
//
// Formats (docs/state-format.md): key = key group, 2 bytes big-endian | tenant | canonical key
// expression | typed key values | owner, byte strings each. Stored under key | part, 4 bytes
// big-endian: all of a key group, then all of a key, is contiguous, its parts in order.
// Part 0 = format version | incarnation | capture layout | number of parts, varints | segment.
// Tests: tests/state/formats_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/status.h"
#include "cep/event/key.h"
#include "cep/runtime/state_unit.h"

namespace vigil::state {

inline constexpr uint64_t kUnitFormat = 1;
inline constexpr size_t kSegmentSize = 4096;       // of a body that its owner does not cut itself
inline constexpr size_t kMaxUnitSize = 256 << 20;  // bytes of a body

struct UnitKey {
  uint32_t key_group = 0;           // < cep::kKeyGroups
  std::string_view tenant;          // empty by default
  std::string_view key_expression;  // canonical
  std::string_view key_values;      // cep::AppendKey()'s bytes
  std::string_view owner;           // rule or feature; of several that share, the first one

  bool operator==(const UnitKey&) const = default;
};

// Appends the key's bytes. Two keys are equal if and only if their bytes are.
void AppendUnitKey(const UnitKey& key, std::string* out);
// Texts point into `bytes`. DATA_LOSS if `bytes` are no key.
StatusOr<UnitKey> ParseUnitKey(std::string_view bytes);

// A unit as it is restored. Borrowed for the callback.
struct StoredUnit {
  std::string_view key;  // as AppendUnitKey() made it
  UnitKey name;          // the same, taken apart
  cep::UnitKind head;
  std::string_view body;                      // all segments, one behind the other
  const std::vector<uint32_t>& segment_ends;  // offsets in `body`; as many as segments
  std::string_view only_part;                 // of a unit of one part, as it is stored; else empty
};

// What part 0 says. `segment` points into the value.
struct UnitFirstPart {
  cep::UnitKind head;
  uint32_t parts = 0;  // at least 1
  std::string_view segment;
};
void AppendFirstPart(const cep::UnitKind& head, uint32_t parts, std::string_view segment,
                     std::string* out);
// DATA_LOSS if damaged, UNIMPLEMENTED for a newer format.
StatusOr<UnitFirstPart> ParseFirstPart(std::string_view value);

// The part's storage key split up; false if it is too short.
bool SplitPartKey(std::string_view part_key, std::string_view* unit_key, uint32_t* part);

// Puts units together from their parts, which come in the order of their storage keys, each once,
// and checks that they are whole.
class UnitAssembler {
 public:
  // Takes one part; `*done` says whether it completes its unit.
  Status Add(std::string_view part_key, std::string_view value, bool* done);
  // The unit last completed; valid until the next Add(), and as long as what that one was given: a
  // unit of one part, as most are, is not copied.
  StoredUnit unit() const { return {key_, name_, head_, body_, segment_ends_, only_part_}; }
  // DATA_LOSS if the last unit is not whole.
  Status Finish() const;

 private:
  std::string_view key_;
  UnitKey name_;
  cep::UnitKind head_;
  uint32_t parts_ = 0;
  std::string_view body_;
  std::string_view only_part_;
  std::vector<uint32_t> segment_ends_;
  // Of a unit of several parts.
  std::string key_copy_;
  std::string body_copy_;
};

}  // namespace vigil::state
