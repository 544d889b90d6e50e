// Chunks: the changed parts of units, packed for a commit.
//
// A chunk is about 64 KiB: format version, 1 byte | entries | XXH3-64 of all before it, 8 bytes. An
// entry is a byte string, the storage key (unit.h), then a varint: 0 for a tombstone, else the
// value's length plus 1, and the value. Of a key the later entry of the later chunk counts. Tests:
// tests/state/formats_test.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/hash.h"
#include "cep/base/status.h"
#include "state/unit.h"

namespace vigil::state {

inline constexpr uint8_t kChunkFormat = 1;
inline constexpr size_t kChunkSize = 64 << 10;

struct ChunkEntry {
  std::string_view part_key;
  std::string_view value;
  bool is_deleted = false;
};

// What an index of parts wants to know of an entry. The hash is this process's own: its seed is
// random, so that nobody who chooses keys can make two that hash alike.
struct PartDigest {
  Hash128 part;        // of the storage key
  uint32_t bytes = 0;  // of key and value
  bool is_deleted = false;
};
PartDigest DigestOf(const ChunkEntry& entry);
// The digest's `part` of a unit's part.
Hash128 PartOf(std::string_view unit_key, uint32_t part);

// A chunk on its way from who packs it to the log, with the digests of its entries behind it, so
// that the log need not take it apart again.
class PackedChunk {
 public:
  explicit PackedChunk(std::string_view packed);
  // As it is stored.
  std::string_view chunk() const { return chunk_; }
  size_t entries() const { return digests_.size() / sizeof(PartDigest); }
  PartDigest digest(size_t entry) const;

 private:
  std::string_view chunk_;
  std::string_view digests_;
};

// Writes entries one behind the other into chunks. No thread safety.
class ChunkWriter {
 public:
  void Put(std::string_view part_key, std::string_view value) { Add(part_key, {}, &value); }
  // Under the unit's key, and the part's number behind it.
  void Put(std::string_view unit_key, uint32_t part, std::string_view value);
  void Delete(std::string_view unit_key, uint32_t part);

  // All chunks since the last call, each as a PackedChunk is read from.
  std::vector<std::string> Take();
  // Bytes since the last Take().
  size_t bytes() const { return done_bytes_ + open_.size(); }

 private:
  void Add(std::string_view key, std::string_view key_end, const std::string_view* value);
  void Seal();

  std::string open_;
  std::vector<PartDigest> digests_;  // of its entries
  std::vector<std::string> chunks_;
  size_t done_bytes_ = 0;
};

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

  // All chunks packed since the last call, each as a PackedChunk is read from.
  std::vector<std::string> TakeChunks() { return chunks_.Take(); }
  // Bytes packed since the last TakeChunks().
  size_t bytes() const { return chunks_.bytes(); }

 private:
  uint64_t seed_;
  ChunkWriter chunks_;
  std::string first_part_;
  std::vector<std::string_view> cuts_;
};

// The chunk's entries in order; they point into it. DATA_LOSS where it is damaged, UNIMPLEMENTED
// for a newer format.
StatusOr<std::vector<ChunkEntry>> ReadChunk(std::string_view chunk);

}  // namespace vigil::state
