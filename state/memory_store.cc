#include "state/memory_store.h"

#include <array>
#include <map>
#include <mutex>
#include <utility>

namespace vigil::state {

using Rows = std::map<std::string, std::string, std::less<>>;

class MemoryDisk {
 public:
  std::mutex mutex;
  std::array<Rows, kFamilies> families;  // guarded by `mutex`

  Rows& family(Family family) { return families[static_cast<size_t>(family)]; }
};

namespace {

class MemoryCursor : public StoreCursor {
 public:
  explicit MemoryCursor(std::vector<std::pair<std::string, std::string>> rows)
      : rows_(std::move(rows)) {}
  bool valid() const override { return at_ < rows_.size(); }
  std::string_view key() const override { return rows_[at_].first; }
  std::string_view value() const override { return rows_[at_].second; }
  void Next() override { ++at_; }
  Status status() const override { return absl::OkStatus(); }

 private:
  std::vector<std::pair<std::string, std::string>> rows_;
  size_t at_ = 0;
};

void Apply(const StoreBatch& batch, MemoryDisk& disk) {
  const std::lock_guard lock(disk.mutex);
  for (const StoreBatch::Change& change : batch.changes) {
    Rows& rows = disk.family(change.family);
    if (change.is_delete) {
      rows.erase(change.key);
    } else {
      rows[change.key] = change.value();
    }
  }
}

class MemoryStore : public Store {
 public:
  explicit MemoryStore(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {}

  Status Write(const StoreBatch& batch, const std::function<Status()>& halfway) override {
    if (halfway) RETURN_IF_ERROR(halfway());
    Apply(batch, *disk_);
    return absl::OkStatus();
  }

  StatusOr<std::optional<std::string>> Get(Family family, std::string_view key) override {
    const std::lock_guard lock(disk_->mutex);
    const Rows& rows = disk_->family(family);
    const auto found = rows.find(key);
    if (found == rows.end()) return std::optional<std::string>();
    return std::optional<std::string>(found->second);
  }

  std::unique_ptr<StoreCursor> Scan(Family family, std::string_view begin,
                                    std::string_view end) override {
    const std::lock_guard lock(disk_->mutex);
    const Rows& rows = disk_->family(family);
    std::vector<std::pair<std::string, std::string>> copy;
    for (auto row = rows.lower_bound(begin); row != rows.end(); ++row) {
      if (!end.empty() && row->first >= end) break;
      copy.emplace_back(*row);
    }
    return std::make_unique<MemoryCursor>(std::move(copy));
  }

  StatusOr<std::vector<std::pair<std::string, uint64_t>>> ChunkSizes() override {
    const std::lock_guard lock(disk_->mutex);
    std::vector<std::pair<std::string, uint64_t>> sizes;
    for (const auto& [key, chunk] : disk_->family(Family::kChunks)) {
      sizes.emplace_back(key, chunk.size());
    }
    return sizes;
  }

  Status Checkpoint(const std::string&) override {
    return absl::UnimplementedError("state in memory has no checkpoints");
  }

 private:
  std::shared_ptr<MemoryDisk> disk_;
};

}  // namespace

std::shared_ptr<MemoryDisk> NewMemoryDisk() { return std::make_shared<MemoryDisk>(); }

std::unique_ptr<Store> OpenMemoryStore(std::shared_ptr<MemoryDisk> disk) {
  return std::make_unique<MemoryStore>(std::move(disk));
}

}  // namespace vigil::state
