// The store on disk: RocksDB in a state directory.
//
// Layout: FORMAT, the format's name and version in text, written last when a directory is made;
// CREATING, there until then; LOCK, held while a process has it open; db/, RocksDB's own; chunks/
// (chunk_files.h), whose places RocksDB holds; checkpoints/ (checkpoint.h).
// A directory that holds anything but this is refused and never written to.
// Tests: tests/state/store_test.cc.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "state/store.h"

namespace rocksdb {
class Env;
}

namespace vigil::state {

inline constexpr int kDirectoryFormat = 2;

enum class Compression { kNone, kLz4, kZstd };

struct RocksDbOptions {
  size_t block_cache_bytes = 64 << 20;
  size_t write_buffer_bytes = 32 << 20;         // per family, before it is flushed to a file
  Compression compression = Compression::kLz4;  // of RocksDB's files; chunks are as they are
  rocksdb::Env* env = nullptr;                  // the system's if null; must outlive the store
};

// Opens the state directory at `path`; makes it if it is absent or empty.
// Errors, each saying what to do: ALREADY_EXISTS: another process (named) has it open.
// FAILED_PRECONDITION: not a state directory. UNIMPLEMENTED: of another version. DATA_LOSS:
// damaged. RESOURCE_EXHAUSTED: the disk is full. UNAVAILABLE: reading or writing failed.
StatusOr<std::unique_ptr<Store>> OpenRocksDbStore(const std::string& path,
                                                  const RocksDbOptions& options = {});

// The state directory or checkpoint at `path`, to be read only: as it was when it was opened, also
// while a daemon goes on with it. Nothing is written, and no lock taken. NOT_FOUND if there is no
// state; else errors as above, but for ALREADY_EXISTS. What writes fails with UNAVAILABLE.
StatusOr<std::unique_ptr<Store>> OpenRocksDbStoreToRead(const std::string& path,
                                                        const RocksDbOptions& options = {});

// Makes the state directory `path` (absent or empty) and lets `fill` write to its store before it
// counts as one: if anything fails or the process ends, what is there is taken for nothing and
// made anew by the next attempt. Returns the open store.
StatusOr<std::unique_ptr<Store>> CreateRocksDbStore(const std::string& path,
                                                    const RocksDbOptions& options,
                                                    const std::function<Status(Store&)>& fill);

}  // namespace vigil::state
