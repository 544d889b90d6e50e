// A RocksDB environment over the real file system whose disk fails when told, and which forgets
// what was not synced when the "machine" goes down.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

namespace vigil::state::testing {

enum class Fault { kNone, kNoSpace, kWriteError, kSyncError, kDown };

class FaultyFileSystem : public rocksdb::FileSystemWrapper {
 public:
  FaultyFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultyFileSystem"; }

  // From here on every operation it concerns fails, after `skip` of them.
  void Set(Fault fault, int skip = 0) {
    left_ = skip;
    fault_ = fault;
  }
  int hits() const { return hits_; }

  // Once the database is closed: cuts every file to what was synced of it and, of the rest, `torn`
  // thousandths.
  void LoseUnsynced(uint64_t torn) {
    const std::lock_guard lock(mutex_);
    for (const auto& [path, size] : files_) {
      std::error_code error;
      const uint64_t now = std::filesystem::file_size(path, error);
      if (error || now <= size.synced) continue;
      std::filesystem::resize_file(path, size.synced + (now - size.synced) * torn / 1000, error);
    }
    files_.clear();
  }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* dbg) override {
    // What is written to it fails. RocksDB 7.8 that cannot make a log file forgets references to
    // column families (ScheduleFlushes with atomic_flush), which it asserts against when it closes.
    std::unique_ptr<rocksdb::FSWritableFile> file;
    const rocksdb::IOStatus status = target()->NewWritableFile(name, options, &file, dbg);
    if (!status.ok()) return status;
    {
      const std::lock_guard lock(mutex_);
      files_[name] = {};
    }
    *result = std::make_unique<File>(std::move(file), *this, name);
    return status;
  }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override {
    if (fault_ == Fault::kDown) return Down();
    const rocksdb::IOStatus status = target()->RenameFile(from, to, options, dbg);
    const std::lock_guard lock(mutex_);
    if (status.ok() && files_.count(from) > 0) {
      files_[to] = files_[from];
      files_.erase(from);
    }
    return status;
  }
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* dbg) override {
    std::unique_ptr<rocksdb::FSDirectory> folder;
    const rocksdb::IOStatus status = target()->NewDirectory(name, options, &folder, dbg);
    if (status.ok()) *result = std::make_unique<Folder>(std::move(folder));
    return status;
  }
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override {
    if (fault_ == Fault::kDown) return Down();
    const std::lock_guard lock(mutex_);
    files_.erase(name);
    return target()->DeleteFile(name, options, dbg);
  }

 private:
  struct Size {
    uint64_t synced = 0;
  };

  class File : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSWritableFile>&& file, FaultyFileSystem& system,
         std::string name)
        : FSWritableFileOwnerWrapper(std::move(file)), system_(system), name_(std::move(name)) {}
    using FSWritableFileOwnerWrapper::Append;
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* dbg) override {
      if (const rocksdb::IOStatus status = system_.OnWrite(); !status.ok()) return status;
      return FSWritableFileOwnerWrapper::Append(data, options, dbg);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* dbg) override {
      if (const rocksdb::IOStatus status = system_.OnSync(); !status.ok()) return status;
      // The disk is ours: what is noted as synced is what LoseUnsynced() keeps.
      const rocksdb::IOStatus status = FSWritableFileOwnerWrapper::Flush(options, dbg);
      if (status.ok()) system_.Synced(name_);
      return status;
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* dbg) override {
      return Sync(options, dbg);
    }

   private:
    FaultyFileSystem& system_;
    std::string name_;
  };

  class Folder : public rocksdb::FSDirectoryWrapper {
   public:
    explicit Folder(std::unique_ptr<rocksdb::FSDirectory>&& folder)
        : FSDirectoryWrapper(std::move(folder)) {}
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
      return rocksdb::IOStatus::OK();
    }
    rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions&, rocksdb::IODebugContext*,
                                          const rocksdb::DirFsyncOptions&) override {
      return rocksdb::IOStatus::OK();
    }
  };

  static rocksdb::IOStatus Down() { return rocksdb::IOStatus::IOError("the machine is down"); }
  bool IsDue() {
    if (left_-- > 0) return false;
    ++hits_;
    return true;
  }
  rocksdb::IOStatus OnWrite() {
    const Fault fault = fault_;
    if (fault == Fault::kDown) return Down();
    if (fault == Fault::kNoSpace && IsDue()) {
      return rocksdb::IOStatus::NoSpace("No space left on device");
    }
    if (fault == Fault::kWriteError && IsDue()) {
      return rocksdb::IOStatus::IOError("Input/output error");
    }
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus OnSync() {
    if (fault_ == Fault::kDown) return Down();
    if (fault_ == Fault::kSyncError && IsDue()) {
      return rocksdb::IOStatus::IOError("Input/output error");
    }
    return rocksdb::IOStatus::OK();
  }
  void Synced(const std::string& name) {
    std::error_code error;
    const uint64_t size = std::filesystem::file_size(name, error);
    const std::lock_guard lock(mutex_);
    const auto file = files_.find(name);
    if (!error && file != files_.end()) file->second.synced = size;
  }

  std::atomic<Fault> fault_ = Fault::kNone;
  std::atomic<int> left_ = 0;
  std::atomic<int> hits_ = 0;
  std::mutex mutex_;
  std::map<std::string, Size> files_;  // guarded by mutex_
};

}  // namespace vigil::state::testing
