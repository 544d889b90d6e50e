// The disks of a simulated machine, which outlive it: they fail when told, and a power cut takes
// what was not synced.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "state/memory_store.h"
#include "state/rocksdb_store.h"
#include "tests/state/faulty_env.h"
#include "tests/support/process.h"

namespace vigil::sim {

class SimDisk {
 public:
  virtual ~SimDisk() = default;
  virtual StatusOr<std::unique_ptr<state::Store>> Open() = 0;
  // One of its next operations fails, in a way that `draw` decides.
  virtual void FailSoon(unsigned draw) = 0;
  // Nothing is written from here on.
  virtual void CutPower() = 0;
  // Once the store is gone: what was not synced is lost, but for a part that `draw` decides.
  virtual void Restart(unsigned draw) = 0;
};

// Memory that counts as synced. A write that fails has happened or not.
class MemorySimDisk : public SimDisk {
 public:
  StatusOr<std::unique_ptr<state::Store>> Open() override {
    return std::make_unique<FaultyStore>(state::OpenMemoryStore(disk_), this);
  }
  void FailSoon(unsigned draw) override {
    happens_ = draw % 2 == 0;
    left_ = static_cast<int>(draw / 2 % 4);
  }
  void CutPower() override { is_down_ = true; }
  void Restart(unsigned) override {
    is_down_ = false;
    left_ = -1;
  }

 private:
  class FaultyStore : public state::Store {
   public:
    FaultyStore(std::unique_ptr<state::Store> store, MemorySimDisk* disk)
        : store_(std::move(store)), disk_(disk) {}
    Status Write(const state::StoreBatch& batch, const std::function<Status()>& halfway) override {
      if (disk_->is_down_) return absl::UnavailableError("the machine is down");
      if (disk_->left_ < 0 || disk_->left_-- > 0) return store_->Write(batch, halfway);
      if (disk_->happens_) RETURN_IF_ERROR(store_->Write(batch, halfway));
      return absl::UnavailableError("Input/output error");
    }
    StatusOr<std::optional<std::string>> Get(state::Family family, std::string_view key) override {
      return store_->Get(family, key);
    }
    std::unique_ptr<state::StoreCursor> Scan(state::Family family, std::string_view begin,
                                             std::string_view end) override {
      return store_->Scan(family, begin, end);
    }
    StatusOr<std::vector<std::pair<std::string, uint64_t>>> ChunkSizes() override {
      return store_->ChunkSizes();
    }
    Status Checkpoint(const std::string& path) override { return store_->Checkpoint(path); }

   private:
    std::unique_ptr<state::Store> store_;
    MemorySimDisk* disk_;
  };

  std::shared_ptr<state::MemoryDisk> disk_ = state::NewMemoryDisk();
  std::atomic<bool> is_down_ = false;
  std::atomic<bool> happens_ = false;
  std::atomic<int> left_ = -1;  // writes before the one that fails; -1: none does
};

// RocksDB over a file system that loses what was not synced.
class RocksSimDisk : public SimDisk {
 public:
  RocksSimDisk() : env_(rocksdb::NewCompositeEnv(files_)) {}
  StatusOr<std::unique_ptr<state::Store>> Open() override {
    state::RocksDbOptions options;
    options.env = env_.get();
    options.write_buffer_bytes = size_t{64} << 10;  // so that flushes happen
    return state::OpenRocksDbStore(folder_.Path("state"), options);
  }
  void FailSoon(unsigned draw) override {
    files_->Set(static_cast<state::testing::Fault>(1 + draw % 3), static_cast<int>(draw / 3 % 4));
  }
  void CutPower() override { files_->Set(state::testing::Fault::kDown); }
  void Restart(unsigned draw) override {
    files_->LoseUnsynced(draw % 1001);
    files_->Set(state::testing::Fault::kNone);
  }

 private:
  testing::TempDir folder_;
  std::shared_ptr<state::testing::FaultyFileSystem> files_ =
      std::make_shared<state::testing::FaultyFileSystem>();
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace vigil::sim
