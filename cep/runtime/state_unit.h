// Keyed state on its way out of an operator and back in: units, as bytes.
//
// A unit is what one rule, or several that share it, keep for one key. An operator writes those
// that changed since the last snapshot, and takes each back as it was written; where the bytes go
// is the writer's. Thread safety: a writer belongs to one shard's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include <absl/container/inlined_vector.h>

#include "cep/base/hash.h"
#include "cep/base/status.h"

namespace vigil::cep {

// Names a unit for good: nothing in it depends on a process, a rule's place or a number of shards.
struct UnitName {
  uint32_t key_group = 0;           // < kKeyGroups
  std::string_view key_expression;  // canonical
  std::string_view key_values;      // AppendKey()'s bytes
  std::string_view owner;           // the rule's id; of several that share, the first one's
};

// What is known of a unit without reading its body.
struct UnitKind {
  uint64_t incarnation = 0;     // of the owner: never used again once it is dead
  uint64_t capture_layout = 0;  // a number for the fields that captured events have

  bool operator==(const UnitKind&) const = default;
};

// What of a unit is stored: a hash for each part, empty while nothing is. Its owner keeps it
// between snapshots and does not look into it.
using StoredParts = absl::InlinedVector<uint64_t, 2>;

class UnitWriter {
 public:
  virtual ~UnitWriter() = default;

  // The unit as it is now. `segments` is its body, cut where changes stay local, at best about 4
  // KiB each. RESOURCE_EXHAUSTED for a body that is too large.
  virtual Status Put(const UnitName& name, const UnitKind& kind,
                     std::span<const std::string_view> segments, StoredParts* stored) = 0;
  // There is nothing in the unit any more.
  virtual Status Remove(const UnitName& name, StoredParts* stored) = 0;
};

// A unit as it was stored; borrowed for the call.
struct RestoredUnit {
  UnitName name;
  UnitKind kind;
  std::string_view body;  // all segments, one behind the other
  StoredParts stored;
};

// Names a unit to a UnitReader of this process.
using UnitHandle = Hash128;

// Reads stored units while rows go on, so that they need not stay in memory. Thread safety: all
// functions may be called at the same time.
class UnitReader {
 public:
  virtual ~UnitReader() = default;

  virtual UnitHandle HandleOf(const UnitName& name) const = 0;
  // Whether what was saved at this barrier, and before it, can be read.
  virtual bool HasBarrier(uint64_t barrier) const = 0;
  // Calls `take` for each of the units, in the order of their names; of what they hold the newest
  // is read. Errors: DATA_LOSS if one is not there or damaged, those of reading and of `take`.
  virtual Status Read(std::span<const UnitHandle> units,
                      const std::function<Status(const RestoredUnit&)>& take) const = 0;
};

}  // namespace vigil::cep
