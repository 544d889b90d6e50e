// The seam under the commit log: an ordered map of bytes in three families that writes atomically.
//
// RocksDB implements it (rocksdb_store.h), and memory (memory_store.h) for tests and for jobs that
// keep nothing. Keys are ordered bytewise.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cep/base/status.h"

namespace vigil::state {

// Chunks are large, are put in ascending order of keys and deleted in the same order: a store may
// keep them in files of their own.
enum class Family : uint8_t { kMeta, kChunks, kOutbox };
inline constexpr size_t kFamilies = 3;

// Changes that happen together or not at all.
struct StoreBatch {
  struct Change {
    Family family;
    bool is_delete;
    std::string key;
    std::string own_value;
    std::string_view borrowed_value;

    std::string_view value() const {
      return borrowed_value.data() != nullptr ? borrowed_value : own_value;
    }
  };
  std::vector<Change> changes;

  void Put(Family family, std::string key, std::string value) {
    changes.push_back({family, false, std::move(key), std::move(value), {}});
  }
  // `value` outlives the batch.
  void PutBorrowed(Family family, std::string key, std::string_view value) {
    changes.push_back({family, false, std::move(key), {}, value});
  }
  void Delete(Family family, std::string key) {
    changes.push_back({family, true, std::move(key), {}, {}});
  }
};

// Walks one family's keys of a range in order, as they were when it was made.
class StoreCursor {
 public:
  virtual ~StoreCursor() = default;
  virtual bool valid() const = 0;
  // Valid until Next().
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  virtual void Next() = 0;
  // Why it is no longer valid: OK at the end of the range.
  virtual Status status() const = 0;
};

// Thread safety: all functions may be called at the same time; cursors and writers have one owner.
class Store {
 public:
  virtual ~Store() = default;
  // Durable when it returns OK; after an error it may or may not have happened. `halfway`, if any,
  // is called where chunks are durable and nothing shows yet; its error ends the call there.
  virtual Status Write(const StoreBatch& batch, const std::function<Status()>& halfway = {}) = 0;
  virtual StatusOr<std::optional<std::string>> Get(Family family, std::string_view key) = 0;
  // These chunks will be read soon: a disk may begin with all of them.
  virtual void ExpectChunks(std::span<const std::string> keys) { static_cast<void>(keys); }
  // Keys in [begin, end); an empty `end` is the end of the family.
  virtual std::unique_ptr<StoreCursor> Scan(Family family, std::string_view begin,
                                            std::string_view end) = 0;
  // Key and length of each chunk, in order.
  virtual StatusOr<std::vector<std::pair<std::string, uint64_t>>> ChunkSizes() = 0;
  // A copy, as of now, that does not change any more: a state directory in its own right at `path`
  // (absent before), sharing unchanging files by hard link. UNIMPLEMENTED in memory.
  virtual Status Checkpoint(const std::string& path) = 0;
};

}  // namespace vigil::state
