// Keys: the values by which a rule keeps its partial matches apart.
//
// A key is one or more field values. Its typed bytes identify it (alert ids, storage) and order
// results; its hash places it (key group, shard, hash table). An int and a double of the same value
// are one key; a null, absent or NaN field, or a list or map, gives no key. Both byte layout and
// hash are part of the disk format. Tests: tests/cep/key_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/hash.h"
#include "cep/event/batch.h"

namespace vigil::cep {

inline constexpr uint32_t kKeyGroups = 1024;
inline constexpr uint64_t kNoKey = 0;

// Which slots make a key; a rule's `key`, or a stage's own.
using KeyExpr = std::vector<uint32_t>;

// Hashes of the keys of all rows of `block` into `out`; kNoKey for a row that has none. Never
// returns kNoKey for a key.
void HashKeys(const ColumnBlock& block, const KeyExpr& expr, uint64_t* out);

// Appends the typed bytes of the row's key; returns false, with `out` unchanged, if it has none.
bool AppendKey(const ColumnBlock& block, uint32_t row, const KeyExpr& expr, std::string* out);

// True if `bytes` are the typed bytes of the row's key. Faster than AppendKey() for one text or int
// field.
bool KeyEquals(const ColumnBlock& block, uint32_t row, const KeyExpr& expr, std::string_view bytes);

// The values in typed key bytes; texts point into `bytes`.
std::vector<Value> DecodeKey(std::string_view bytes);

inline uint32_t KeyGroupOf(uint64_t key_hash) { return static_cast<uint32_t>(key_hash >> 54); }

// The shard that owns a key group; shards own consecutive ranges.
inline uint32_t ShardOf(uint64_t key_hash, uint32_t shards) {
  return KeyGroupOf(key_hash) * shards / kKeyGroups;
}

}  // namespace vigil::cep
