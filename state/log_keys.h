// Where the commit log keeps what in its store (docs/state-format.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cep/base/encoding.h"
#include "state/commit.h"

namespace vigil::state {

// Family::kMeta.
inline constexpr std::string_view kHeadKey = "head";
inline constexpr std::string_view kChunkRangeKey = "chunks";
inline constexpr std::string_view kRulesKey = "rules";
inline constexpr std::string_view kJournal = "journal/";  // | commit | n → entry
inline constexpr std::string_view kRows = "row/";         // | source | topic | partition | offset

// The end of the keys that begin with `prefix`, which does not end in 0xff.
inline std::string EndOf(std::string_view prefix) {
  std::string end(prefix);
  end.back() = static_cast<char>(end.back() + 1);
  return end;
}

inline std::string CommitKey(std::string_view prefix, uint64_t commit) {
  std::string key(prefix);
  PutOrdered64(commit, &key);
  return key;
}

inline std::string JournalKey(uint64_t commit, uint32_t n) {
  std::string key = CommitKey(kJournal, commit);
  PutOrdered32(n, &key);
  return key;
}

// Of a chunk by its number, of an outbox record by its sequence.
inline std::string SequenceKey(uint64_t sequence) { return CommitKey({}, sequence); }

inline std::string RowPrefix(std::string_view source, std::string_view topic, int64_t partition) {
  std::string key(kRows);
  PutBytes(source, &key);
  PutBytes(topic, &key);
  PutOrdered64(static_cast<uint64_t>(partition), &key);
  return key;
}

// A small value with its crc32c behind it.
inline std::string Sealed(std::string value) {
  SealWithCrc(&value);
  return value;
}

// Which chunks there are: numbers [begin, end), and their bytes.
struct ChunkRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t bytes = 0;
};
inline std::string EncodeChunkRange(const ChunkRange& chunks) {
  std::string value;
  PutVarint(chunks.begin, &value);
  PutVarint(chunks.end, &value);
  PutVarint(chunks.bytes, &value);
  return Sealed(std::move(value));
}

}  // namespace vigil::state
