#include "state/rocksdb_store.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include "io/durable_file.h"

namespace vigil::state {
namespace {

namespace fs = std::filesystem;
using rocksdb::Slice;

constexpr std::array<const char*, kFamilies> kFamilyNames = {"default", "chunks", "base", "outbox"};
constexpr std::string_view kFormatText = "vigil state\nformat ";
constexpr size_t kSortedFileBytes = 256 << 20;
constexpr size_t kChunkBuffers = 4;  // write buffers that chunks may take

Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view ToView(const Slice& slice) { return {slice.data(), slice.size()}; }

Status Translate(const rocksdb::Status& status, const std::string& path) {
  if (status.ok()) return absl::OkStatus();
  const std::string reason = "state directory " + path + ": " + status.ToString();
  if (status.IsNoSpace()) {
    return absl::ResourceExhaustedError(reason + "; free space on its disk and start again");
  }
  if (status.IsCorruption()) {
    return absl::DataLossError(reason +
                               "; it is damaged and was left as it is: restore a "
                               "checkpoint or a savepoint into a new directory");
  }
  return absl::UnavailableError(reason);
}

// Holds LOCK of a state directory.
class DirectoryLock {
 public:
  DirectoryLock() = default;
  DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~DirectoryLock() {
    if (fd_ >= 0) ::close(fd_);
  }

  Status Take(const std::string& path) {
    const std::string file = path + "/LOCK";
    fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ < 0) {
      return absl::UnavailableError("state directory " + path +
                                    ": cannot open LOCK: " + std::strerror(errno));
    }
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      std::array<char, 24> owner{};
      const ssize_t size = ::read(fd_, owner.data(), owner.size() - 1);
      std::string holder(owner.data(), size > 0 ? static_cast<size_t>(size) : 0);
      holder = holder.substr(0, holder.find_first_not_of("0123456789"));
      return absl::AlreadyExistsError(
          "state directory " + path + " is in use by process " + holder +
          "; stop that one first, or give this one a directory of its own");
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd_, 0) != 0 ||
        ::pwrite(fd_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
      return absl::UnavailableError("state directory " + path +
                                    ": cannot write LOCK: " + std::strerror(errno));
    }
    return absl::OkStatus();
  }

 private:
  int fd_ = -1;
};

rocksdb::ColumnFamilyOptions FamilyOptions(Family family, const RocksDbOptions& options,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions made;
  made.write_buffer_size = options.write_buffer_bytes;
  made.compression = options.compression == Compression::kZstd  ? rocksdb::kZSTD
                     : options.compression == Compression::kLz4 ? rocksdb::kLZ4Compression
                                                                : rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  if (family == Family::kBase) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // Chunks die young: they are to be folded before they would go to a file (Trim()). Of those that
  // do few files wait for the compaction that frees their space; to compress them would cost more
  // than it saves.
  if (family == Family::kChunks) {
    made.write_buffer_size = kChunkBuffers * options.write_buffer_bytes;
    made.level0_file_num_compaction_trigger = 2;
    made.compression = rocksdb::kNoCompression;
  }
  // A fold is large beside the base (daemon/durable_state.cc), and leaves a file. Files that come
  // in go to the lowest level in which nothing is in their way, so one above the other until all
  // levels are full, unless the levels are made dynamic: then they wait in the first one, two at
  // the most.
  if (family == Family::kBase) {
    made.level0_file_num_compaction_trigger = 2;
    made.level_compaction_dynamic_level_bytes = true;
  }
  made.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return made;
}

rocksdb::DBOptions DatabaseOptions(const RocksDbOptions& options, bool is_new) {
  rocksdb::DBOptions made;
  made.create_if_missing = is_new;
  made.create_missing_column_families = is_new;
  made.paranoid_checks = true;
  made.atomic_flush = true;
  // A commit that was cut short by a crash ends the log; damage anywhere else is an error.
  made.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  made.track_and_verify_wals_in_manifest = true;
  made.max_total_wal_size = 2 * kChunkBuffers * options.write_buffer_bytes;
  made.max_background_jobs = 2;
  made.compaction_readahead_size = 1 << 20;
  // After a failed write the log is opened anew: nothing waits for the disk to come back.
  made.max_bgerror_resume_count = 0;
  made.keep_log_file_num = 4;
  made.max_open_files = 512;
  if (options.env != nullptr) made.env = options.env;
  return made;
}

class RocksCursor : public StoreCursor {
 public:
  RocksCursor(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, std::string_view begin,
              std::string_view end, std::string path)
      : end_(end), end_slice_(end_), path_(std::move(path)) {
    rocksdb::ReadOptions read;
    read.fill_cache = false;
    read.readahead_size = 1 << 20;
    if (!end_.empty()) read.iterate_upper_bound = &end_slice_;
    iterator_.reset(db.NewIterator(read, family));
    iterator_->Seek(ToSlice(begin));
  }
  bool valid() const override { return iterator_->Valid(); }
  std::string_view key() const override { return ToView(iterator_->key()); }
  std::string_view value() const override { return ToView(iterator_->value()); }
  void Next() override { iterator_->Next(); }
  Status status() const override { return Translate(iterator_->status(), path_); }

 private:
  std::string end_;
  Slice end_slice_;
  std::string path_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

// Writes files of about kSortedFileBytes and ingests them together.
class RocksBaseWriter : public BaseWriter {
 public:
  RocksBaseWriter(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, std::string path)
      : db_(db), family_(family), path_(std::move(path)) {}
  ~RocksBaseWriter() override {
    for (const std::string& file : files_) db_.GetEnv()->DeleteFile(file);
  }
  RocksBaseWriter(const RocksBaseWriter&) = delete;
  RocksBaseWriter& operator=(const RocksBaseWriter&) = delete;

  Status Put(std::string_view key, std::string_view value) override {
    RETURN_IF_ERROR(Prepare());
    return Translate(writer_->Put(ToSlice(key), ToSlice(value)), path_);
  }
  Status Delete(std::string_view key) override {
    RETURN_IF_ERROR(Prepare());
    return Translate(writer_->Delete(ToSlice(key)), path_);
  }
  Status Ingest() override {
    RETURN_IF_ERROR(FinishFile());
    if (files_.empty()) return absl::OkStatus();
    rocksdb::IngestExternalFileOptions options;
    options.move_files = true;
    options.write_global_seqno = false;
    return Translate(db_.IngestExternalFile(family_, files_, options), path_);
  }

 private:
  Status Prepare() {
    if (writer_ != nullptr && writer_->FileSize() >= kSortedFileBytes) {
      RETURN_IF_ERROR(FinishFile());
    }
    if (writer_ != nullptr) return absl::OkStatus();
    rocksdb::Options options = db_.GetOptions(family_);
    options.compression = rocksdb::kNoCompression;  // the compaction that soon follows does it
    writer_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(), options, family_);
    files_.push_back(path_ + "/ingest/" + std::to_string(files_.size()) + ".sst");
    return Translate(writer_->Open(files_.back()), path_);
  }
  Status FinishFile() {
    if (writer_ == nullptr) return absl::OkStatus();
    const rocksdb::Status finished = writer_->Finish();
    writer_.reset();
    return Translate(finished, path_);
  }

  rocksdb::DB& db_;
  rocksdb::ColumnFamilyHandle* family_;
  std::string path_;
  std::unique_ptr<rocksdb::SstFileWriter> writer_;
  std::vector<std::string> files_;
};

class RocksStore : public Store {
 public:
  RocksStore(std::string path, DirectoryLock lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  ~RocksStore() override {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  }
  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;

  enum class Mode { kNew, kGoesOn, kRead };

  Status Open(const RocksDbOptions& options, Mode mode) {
    if (mode != Mode::kRead) RETURN_IF_ERROR(EmptyIngestFolder());
    const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes);
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (size_t i = 0; i < kFamilies; ++i) {
      families.emplace_back(kFamilyNames[i], FamilyOptions(static_cast<Family>(i), options, cache));
    }
    rocksdb::DBOptions database = DatabaseOptions(options, mode == Mode::kNew);
    // All files at once, so that who writes may drop them later.
    if (mode == Mode::kRead) database.max_open_files = -1;
    rocksdb::DB* db = nullptr;
    const std::string files = path_ + "/db";
    const rocksdb::Status opened =
        mode == Mode::kRead
            ? rocksdb::DB::OpenForReadOnly(database, files, families, &handles_, &db)
            : rocksdb::DB::Open(database, files, families, &handles_, &db);
    db_.reset(db);
    // With a file missing RocksDB speaks of its arguments or of input and output.
    if (!opened.ok() && mode != Mode::kNew &&
        (opened.IsInvalidArgument() || opened.IsPathNotFound())) {
      return Translate(rocksdb::Status::Corruption(opened.ToString()), path_);
    }
    return Translate(opened, path_);
  }

  Status Write(const StoreBatch& batch) override {
    size_t bytes = 0;
    for (const StoreBatch::Change& change : batch.changes) {
      bytes += change.key.size() + change.value().size() + 16;
    }
    rocksdb::WriteBatch made(bytes);
    for (const StoreBatch::Change& change : batch.changes) {
      const rocksdb::Status added =
          change.is_delete ? made.Delete(handle(change.family), change.key)
                           : made.Put(handle(change.family), change.key, ToSlice(change.value()));
      if (!added.ok()) return Translate(added, path_);
    }
    rocksdb::WriteOptions options;
    options.sync = true;
    return Translate(db_->Write(options, &made), path_);
  }

  StatusOr<std::optional<std::string>> Get(Family family, std::string_view key) override {
    std::string value;
    const rocksdb::Status got = db_->Get({}, handle(family), ToSlice(key), &value);
    if (got.IsNotFound()) return std::optional<std::string>();
    RETURN_IF_ERROR(Translate(got, path_));
    return std::optional<std::string>(std::move(value));
  }

  std::unique_ptr<StoreCursor> Scan(Family family, std::string_view begin,
                                    std::string_view end) override {
    return std::make_unique<RocksCursor>(*db_, handle(family), begin, end, path_);
  }

  StatusOr<std::unique_ptr<BaseWriter>> NewBaseWriter() override {
    return std::unique_ptr<BaseWriter>(
        std::make_unique<RocksBaseWriter>(*db_, handle(Family::kBase), path_));
  }

  uint64_t BaseBytes() override {
    uint64_t bytes = 0;
    db_->GetIntProperty(handle(Family::kBase), rocksdb::DB::Properties::kLiveSstFilesSize, &bytes);
    return bytes;
  }

  // Chunks that were folded before they went to a file never do, and the log that holds them goes.
  Status Trim() override { return Translate(db_->Flush(rocksdb::FlushOptions(), handles_), path_); }

  Status Checkpoint(const std::string& path) override {
    std::error_code error;
    if (!fs::create_directory(path, error) || error) {
      return absl::UnavailableError("checkpoint " + path + ": cannot be made: " + error.message());
    }
    rocksdb::Checkpoint* made = nullptr;
    RETURN_IF_ERROR(Translate(rocksdb::Checkpoint::Create(db_.get(), &made), path_));
    const std::unique_ptr<rocksdb::Checkpoint> owned(made);
    RETURN_IF_ERROR(Translate(owned->CreateCheckpoint(path + "/db"), path));
    RETURN_IF_ERROR(io::WriteFileDurably(
        path + "/FORMAT", std::string(kFormatText) + std::to_string(kDirectoryFormat) + "\n"));
    return absl::OkStatus();
  }

 private:
  Status EmptyIngestFolder() {
    std::error_code error;
    fs::remove_all(path_ + "/ingest", error);
    if (!error) fs::create_directory(path_ + "/ingest", error);
    if (!error) return absl::OkStatus();
    return absl::UnavailableError("state directory " + path_ + ": ingest/: " + error.message());
  }
  rocksdb::ColumnFamilyHandle* handle(Family family) {
    return handles_[static_cast<size_t>(family)];
  }

  std::string path_;
  DirectoryLock lock_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

enum class Found { kNothing, kUnfinished, kState };

// What `path` holds. Reads only.
StatusOr<Found> Inspect(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return Found::kNothing;
  if (status.type() != fs::file_type::directory) {
    return absl::FailedPreconditionError("state directory " + path + " is not a directory");
  }
  if (fs::exists(path + "/FORMAT", error)) {
    ASSIGN_OR_RETURN(const std::string text, io::ReadSmallFile(path + "/FORMAT", 256));
    if (text == std::string(kFormatText) + std::to_string(kDirectoryFormat) + "\n") {
      return Found::kState;
    }
    const size_t digits = kFormatText.size();
    const size_t end = text.find_first_not_of("0123456789", digits);
    if (text.rfind(kFormatText, 0) == 0 && end > digits && end == text.size() - 1 &&
        text[end] == '\n' && text[digits] != '0') {
      return absl::UnimplementedError(
          "state directory " + path + " has format " + text.substr(digits, end - digits) +
          ", this program knows up to " + std::to_string(kDirectoryFormat) +
          "; run the newer program, or restore a savepoint into a new directory");
    }
    return absl::DataLossError("state directory " + path +
                               ": FORMAT is damaged; it was left as it is: restore a checkpoint or "
                               "a savepoint into a new directory");
  }
  if (fs::exists(path + "/CREATING", error)) return Found::kUnfinished;
  if (fs::is_empty(path, error) && !error) return Found::kNothing;
  if (error) {
    return absl::UnavailableError("state directory " + path + ": " + error.message());
  }
  return absl::FailedPreconditionError("directory " + path +
                                       " holds something that is not Vigil's state; it was left as "
                                       "it is: name another or an empty directory");
}

}  // namespace

StatusOr<std::unique_ptr<Store>> CreateRocksDbStore(const std::string& path,
                                                    const RocksDbOptions& options,
                                                    const std::function<Status(Store&)>& fill) {
  ASSIGN_OR_RETURN(const Found found, Inspect(path));
  if (found == Found::kState) {
    return absl::FailedPreconditionError("state directory " + path +
                                         " holds state already; name a new one");
  }
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return absl::UnavailableError("state directory " + path + ": " + error.message());
  if (found == Found::kNothing) RETURN_IF_ERROR(io::WriteFileDurably(path + "/CREATING", ""));
  DirectoryLock lock;
  RETURN_IF_ERROR(lock.Take(path));
  if (fs::exists(path + "/FORMAT", error)) {
    return absl::UnavailableError("state directory " + path +
                                  " was made by another process just now; start again");
  }
  fs::remove_all(path + "/db", error);
  if (error) return absl::UnavailableError("state directory " + path + ": " + error.message());
  auto store = std::make_unique<RocksStore>(path, std::move(lock));
  RETURN_IF_ERROR(store->Open(options, RocksStore::Mode::kNew));
  RETURN_IF_ERROR(fill(*store));
  RETURN_IF_ERROR(io::WriteFileDurably(
      path + "/FORMAT", std::string(kFormatText) + std::to_string(kDirectoryFormat) + "\n"));
  fs::remove(path + "/CREATING", error);
  return std::unique_ptr<Store>(std::move(store));
}

StatusOr<std::unique_ptr<Store>> OpenRocksDbStoreToRead(const std::string& path,
                                                        const RocksDbOptions& options) {
  ASSIGN_OR_RETURN(const Found found, Inspect(path));
  if (found != Found::kState) {
    return absl::NotFoundError("there is no state in " + path);
  }
  // A file may be dropped while the list of files is being read: the next list is without it.
  constexpr int kAttempts = 3;
  Status status;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto store = std::make_unique<RocksStore>(path, DirectoryLock());
    status = store->Open(options, RocksStore::Mode::kRead);
    if (status.ok()) return std::unique_ptr<Store>(std::move(store));
  }
  return status;
}

StatusOr<std::unique_ptr<Store>> OpenRocksDbStore(const std::string& path,
                                                  const RocksDbOptions& options) {
  ASSIGN_OR_RETURN(const Found found, Inspect(path));
  if (found != Found::kState) {
    return CreateRocksDbStore(path, options, [](Store&) { return absl::OkStatus(); });
  }
  DirectoryLock lock;
  RETURN_IF_ERROR(lock.Take(path));
  auto store = std::make_unique<RocksStore>(path, std::move(lock));
  RETURN_IF_ERROR(store->Open(options, RocksStore::Mode::kGoesOn));
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace vigil::state
