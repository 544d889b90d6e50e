// Where a store on disk keeps chunks: files that are written from front to back and dropped whole.
//
// They lie in a folder of the state directory, NUMBER.chunks, twelve digits. A chunk has no header:
// whoever holds its place knows it. A file is written to by one process only, from its making on,
// so what a crash left behind the last known chunk is never in the way. Files go once nobody holds
// a place in them any more, which is from the oldest on.
// Thread safety: all functions may be called at the same time.
// Tests: tests/state/store_test.cc, tests/state/model_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "cep/base/status.h"

namespace rocksdb {
class Env;
class RandomAccessFile;
class WritableFile;
}  // namespace rocksdb

namespace vigil::state {

struct ChunkPlace {
  uint64_t file = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};
std::string EncodeChunkPlace(const ChunkPlace& place);
// DATA_LOSS if damaged.
StatusOr<ChunkPlace> DecodeChunkPlace(std::string_view bytes);

class ChunkFiles {
 public:
  // `env` outlives it.
  ChunkFiles(std::string folder, rocksdb::Env* env);
  ~ChunkFiles();

  // A chunk that is there when the folder is opened. DATA_LOSS if its file is missing or too short.
  Status Hold(const ChunkPlace& place);
  // Removes files in which no chunk is held, once all are: what a crash left.
  Status RemoveOthers();
  // Opens all files, so that others may drop them.
  Status OpenAll();

  // Behind the last one. Durable after the next Sync().
  StatusOr<ChunkPlace> Append(std::string_view chunk);
  Status Sync();
  // NOT_FOUND if the file has been dropped.
  StatusOr<std::string> Read(const ChunkPlace& place);
  // The chunk will be read soon: the disk begins, and nobody waits for it.
  void Expect(const ChunkPlace& place);
  // Nobody refers to the chunk any more.
  void Drop(const ChunkPlace& place);

  // Makes `folder` with links to all files. None of them is written to afterwards.
  Status LinkInto(const std::string& folder);

 private:
  struct File {
    uint64_t chunks = 0;  // that are held
    uint64_t size = 0;
    std::shared_ptr<rocksdb::RandomAccessFile> reader;
  };

  std::string PathOf(uint64_t number) const;
  StatusOr<std::shared_ptr<rocksdb::RandomAccessFile>> ReaderOf(uint64_t number);
  Status BeginFile();
  Status EndFile();
  void Remove(uint64_t number);
  uint64_t MostBytes() const;

  const std::string folder_;
  rocksdb::Env* const env_;
  std::mutex mutex_;
  std::map<uint64_t, File> files_;  // guarded by mutex_, as all below
  uint64_t bytes_ = 0;              // of held chunks
  uint64_t next_ = 1;               // file's number
  uint64_t current_ = 0;            // 0: none
  std::unique_ptr<rocksdb::WritableFile> writer_;
  bool is_synced_ = true;
  uint64_t begun_ = 0;  // so much of the current file the disk was told to write
};

}  // namespace vigil::state
