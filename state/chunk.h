// Chunks: the changed parts of units, packed for a commit.
//
// A chunk is about 64 KiB: format version, 1 byte | entries | crc32c of all before it, 4 bytes. An
// entry is a byte string, the storage key (unit.h), then a varint: 0 for a tombstone, else the
// value's length plus 1, and the value. Within a chunk, then within a commit, the later entry of a
// key counts. Tests: tests/state/formats_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/status.h"
#include "state/unit.h"

namespace vigil::state {

inline constexpr uint8_t kChunkFormat = 1;
inline constexpr size_t kChunkSize = 64 << 10;

// Packs units into chunks. One per shard; no thread safety.
class ChunkPacker {
 public:
  // `seed` is a random number of this process: it keeps anyone who writes events from making two
  // segments that hash alike.
  explicit ChunkPacker(uint64_t seed) : seed_(seed) {}

  // The unit as it is now: only parts that differ from `*stored` are packed, and those it no longer
  // has become tombstones. `segments` is its body cut where its owner finds that changes stay
  // local, at best about kSegmentSize each; empty means an empty body. RESOURCE_EXHAUSTED, with
  // nothing packed, for a body above kMaxUnitSize.
  Status Put(std::string_view unit_key, const cep::UnitKind& head,
             std::span<const std::string_view> segments, cep::StoredParts* stored);
  // The same with a body cut every kSegmentSize bytes.
  Status Put(std::string_view unit_key, const cep::UnitKind& head, std::string_view body,
             cep::StoredParts* stored);
  // The unit is empty: every stored part becomes a tombstone.
  void Remove(std::string_view unit_key, cep::StoredParts* stored);

  // What a restored unit has stored; for the `stored` of its next Put().
  cep::StoredParts PartsOf(const StoredUnit& unit) const;

  // All chunks packed since the last call.
  std::vector<std::string> TakeChunks();
  // Bytes packed since the last TakeChunks().
  size_t bytes() const { return done_bytes_ + open_.size(); }

 private:
  void AddEntry(std::string_view unit_key, uint32_t part, std::string_view value, bool is_deleted);
  void Seal();

  uint64_t seed_;
  std::string open_;
  std::string first_part_;
  std::vector<std::string_view> cuts_;
  std::vector<std::string> chunks_;
  size_t done_bytes_ = 0;
};

struct ChunkEntry {
  std::string_view part_key;
  std::string_view value;
  bool is_deleted = false;
};

// Calls `entry` for each entry in order; views point into `chunk`. DATA_LOSS where the chunk is
// damaged (nothing is handed out then), UNIMPLEMENTED for a newer format.
Status ReadChunk(std::string_view chunk, const std::function<void(const ChunkEntry&)>& entry);

}  // namespace vigil::state
