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
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include "io/durable_file.h"
#include "state/chunk_files.h"
#include "state/rocksdb_status.h"

namespace vigil::state {
namespace {

namespace fs = std::filesystem;
using rocksdb::Slice;

constexpr std::array<const char*, kFamilies> kFamilyNames = {"default", "chunks", "outbox"};
constexpr std::string_view kFormatText = "vigil state\nformat ";

Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view ToView(const Slice& slice) { return {slice.data(), slice.size()}; }

Status Translate(const rocksdb::Status& status, const std::string& path) {
  return status.ok() ? absl::OkStatus() : FromRocksDb(status, "state directory " + path);
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

rocksdb::ColumnFamilyOptions FamilyOptions(const RocksDbOptions& options,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions made;
  made.write_buffer_size = options.write_buffer_bytes;
  made.compression = options.compression == Compression::kZstd  ? rocksdb::kZSTD
                     : options.compression == Compression::kLz4 ? rocksdb::kLZ4Compression
                                                                : rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
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
  made.max_total_wal_size = options.write_buffer_bytes;
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

// Chunks, whose places RocksDB has.
class ChunkCursor : public StoreCursor {
 public:
  ChunkCursor(std::unique_ptr<StoreCursor> places, ChunkFiles* files)
      : places_(std::move(places)), files_(files) {
    Load();
  }
  bool valid() const override { return status_.ok() && places_->valid(); }
  std::string_view key() const override { return places_->key(); }
  std::string_view value() const override { return chunk_; }
  void Next() override {
    places_->Next();
    Load();
  }
  Status status() const override { return status_.ok() ? places_->status() : status_; }

 private:
  void Load() {
    if (!places_->valid()) return;
    const StatusOr<ChunkPlace> place = DecodeChunkPlace(places_->value());
    StatusOr<std::string> chunk = place.ok() ? files_->Read(*place) : place.status();
    status_ = chunk.status();
    if (chunk.ok()) chunk_ = *std::move(chunk);
  }

  std::unique_ptr<StoreCursor> places_;
  ChunkFiles* files_;
  std::string chunk_;
  Status status_;
};

class RocksStore : public Store {
 public:
  RocksStore(std::string path, DirectoryLock lock, rocksdb::Env* env)
      : path_(std::move(path)),
        lock_(std::move(lock)),
        chunks_(path_ + "/chunks", env != nullptr ? env : rocksdb::Env::Default()) {}
  ~RocksStore() override {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  }
  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;

  enum class Mode { kNew, kGoesOn, kRead };

  Status Open(const RocksDbOptions& options, Mode mode) {
    const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes);
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (size_t i = 0; i < kFamilies; ++i) {
      families.emplace_back(kFamilyNames[i], FamilyOptions(options, cache));
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
    RETURN_IF_ERROR(Translate(opened, path_));
    return OpenChunks(mode);
  }

  Status Write(const StoreBatch& batch, const std::function<Status()>& halfway) override {
    rocksdb::WriteBatch made;
    std::vector<ChunkPlace> dropped;
    for (const StoreBatch::Change& change : batch.changes) {
      rocksdb::ColumnFamilyHandle* const family = handle(change.family);
      const bool is_chunk = change.family == Family::kChunks;
      std::string place;
      if (is_chunk && change.is_delete) {
        ASSIGN_OR_RETURN(const std::optional<ChunkPlace> old, PlaceOf(change.key));
        if (old.has_value()) dropped.push_back(*old);
      } else if (is_chunk) {
        ASSIGN_OR_RETURN(const ChunkPlace added, chunks_.Append(change.value()));
        place = EncodeChunkPlace(added);
      }
      const std::string_view value = is_chunk ? std::string_view(place) : change.value();
      const rocksdb::Status added = change.is_delete ? made.Delete(family, change.key)
                                                     : made.Put(family, change.key, ToSlice(value));
      if (!added.ok()) return Translate(added, path_);
    }
    RETURN_IF_ERROR(chunks_.Sync());
    if (halfway) RETURN_IF_ERROR(halfway());
    rocksdb::WriteOptions options;
    options.sync = true;
    RETURN_IF_ERROR(Translate(db_->Write(options, &made), path_));
    for (const ChunkPlace& place : dropped) chunks_.Drop(place);
    return absl::OkStatus();
  }

  StatusOr<std::optional<std::string>> Get(Family family, std::string_view key) override {
    if (family != Family::kChunks) return Find(family, key);
    ASSIGN_OR_RETURN(const std::optional<ChunkPlace> place, PlaceOf(key));
    if (!place.has_value()) return std::optional<std::string>();
    StatusOr<std::string> chunk = chunks_.Read(*place);
    if (absl::IsNotFound(chunk.status())) return std::optional<std::string>();
    RETURN_IF_ERROR(chunk.status());
    return std::optional<std::string>(*std::move(chunk));
  }

  void ExpectChunks(std::span<const std::string> keys) override {
    for (const std::string& key : keys) {
      const StatusOr<std::optional<ChunkPlace>> place = PlaceOf(key);
      if (place.ok() && place->has_value()) chunks_.Expect(**place);
    }
  }

  std::unique_ptr<StoreCursor> Scan(Family family, std::string_view begin,
                                    std::string_view end) override {
    auto cursor = std::make_unique<RocksCursor>(*db_, handle(family), begin, end, path_);
    if (family != Family::kChunks) return cursor;
    return std::make_unique<ChunkCursor>(std::move(cursor), &chunks_);
  }

  StatusOr<std::vector<std::pair<std::string, uint64_t>>> ChunkSizes() override {
    std::vector<std::pair<std::string, uint64_t>> sizes;
    RETURN_IF_ERROR(ForEachPlace([&](std::string_view key, const ChunkPlace& place) {
      sizes.emplace_back(key, place.bytes);
      return absl::OkStatus();
    }));
    return sizes;
  }

  Status Checkpoint(const std::string& path) override {
    std::error_code error;
    if (!fs::create_directory(path, error) || error) {
      return absl::UnavailableError("checkpoint " + path + ": cannot be made: " + error.message());
    }
    rocksdb::Checkpoint* made = nullptr;
    RETURN_IF_ERROR(Translate(rocksdb::Checkpoint::Create(db_.get(), &made), path_));
    const std::unique_ptr<rocksdb::Checkpoint> owned(made);
    RETURN_IF_ERROR(Translate(owned->CreateCheckpoint(path + "/db"), path));
    RETURN_IF_ERROR(chunks_.LinkInto(path + "/chunks"));
    RETURN_IF_ERROR(io::WriteFileDurably(
        path + "/FORMAT", std::string(kFormatText) + std::to_string(kDirectoryFormat) + "\n"));
    return absl::OkStatus();
  }

 private:
  Status OpenChunks(Mode mode) {
    RETURN_IF_ERROR(ForEachPlace(
        [this](std::string_view, const ChunkPlace& place) { return chunks_.Hold(place); }));
    return mode == Mode::kRead ? chunks_.OpenAll() : chunks_.RemoveOthers();
  }
  StatusOr<std::optional<std::string>> Find(Family family, std::string_view key) {
    std::string value;
    const rocksdb::Status got = db_->Get({}, handle(family), ToSlice(key), &value);
    if (got.IsNotFound()) return std::optional<std::string>();
    RETURN_IF_ERROR(Translate(got, path_));
    return std::optional<std::string>(std::move(value));
  }
  StatusOr<std::optional<ChunkPlace>> PlaceOf(std::string_view key) {
    ASSIGN_OR_RETURN(const std::optional<std::string> bytes, Find(Family::kChunks, key));
    if (!bytes.has_value()) return std::optional<ChunkPlace>();
    ASSIGN_OR_RETURN(const ChunkPlace place, DecodeChunkPlace(*bytes));
    return std::optional<ChunkPlace>(place);
  }
  Status ForEachPlace(const std::function<Status(std::string_view, const ChunkPlace&)>& use) {
    RocksCursor places(*db_, handle(Family::kChunks), {}, {}, path_);
    for (; places.valid(); places.Next()) {
      ASSIGN_OR_RETURN(const ChunkPlace place, DecodeChunkPlace(places.value()));
      RETURN_IF_ERROR(use(places.key(), place));
    }
    return places.status();
  }
  rocksdb::ColumnFamilyHandle* handle(Family family) {
    return handles_[static_cast<size_t>(family)];
  }

  std::string path_;
  DirectoryLock lock_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  ChunkFiles chunks_;
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
          ", this program reads format " + std::to_string(kDirectoryFormat) +
          "; make a savepoint with the program that wrote it, and "
          "restore that into a new directory");
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
  auto store = std::make_unique<RocksStore>(path, std::move(lock), options.env);
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
    auto store = std::make_unique<RocksStore>(path, DirectoryLock(), options.env);
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
  auto store = std::make_unique<RocksStore>(path, std::move(lock), options.env);
  RETURN_IF_ERROR(store->Open(options, RocksStore::Mode::kGoesOn));
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace vigil::state
