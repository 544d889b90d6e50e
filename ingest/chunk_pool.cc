#include "ingest/chunk_pool.h"

#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

namespace vigil::ingest {
namespace {

std::unique_ptr<cep::Chunk> NewChunk(size_t bytes) {
  auto chunk = std::make_unique<cep::Chunk>();
  chunk->data.reset(new char[bytes + ChunkPool::kPadding]);  // left uninitialised on purpose
  std::memset(chunk->data.get() + bytes, 0, ChunkPool::kPadding);
  return chunk;
}

}  // namespace

struct ChunkPool::FreeList {
  std::mutex mutex;
  std::vector<std::unique_ptr<cep::Chunk>> chunks;  // guarded by mutex

  std::unique_ptr<cep::Chunk> Take() {
    std::lock_guard<std::mutex> lock(mutex);
    if (chunks.empty()) return nullptr;
    std::unique_ptr<cep::Chunk> chunk = std::move(chunks.back());
    chunks.pop_back();
    return chunk;
  }

  void Give(std::unique_ptr<cep::Chunk> chunk) {
    std::lock_guard<std::mutex> lock(mutex);
    if (chunks.size() < kMaxFree) chunks.push_back(std::move(chunk));
  }
};

ChunkPool::ChunkPool(size_t capacity) : capacity_(capacity), free_(std::make_shared<FreeList>()) {}

std::shared_ptr<cep::Chunk> ChunkPool::Get(size_t bytes) {
  if (bytes > capacity_) return NewChunk(bytes);
  std::unique_ptr<cep::Chunk> chunk = free_->Take();
  if (chunk == nullptr) chunk = NewChunk(capacity_);
  chunk->size = 0;
  return std::shared_ptr<cep::Chunk>(chunk.release(), [list = free_](cep::Chunk* returned) {
    list->Give(std::unique_ptr<cep::Chunk>(returned));
  });
}

}  // namespace vigil::ingest
