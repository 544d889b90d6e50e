#include "state/chunk_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <absl/strings/numbers.h>
#include <absl/strings/str_format.h>
#include <rocksdb/env.h>

#include "cep/base/encoding.h"
#include "io/durable_file.h"
#include "state/rocksdb_status.h"

namespace vigil::state {
namespace {

namespace fs = std::filesystem;

// A file has about a sixteenth of all bytes: so much is dead at most before it goes.
constexpr uint64_t kFiles = 16;
constexpr uint64_t kLeastFileBytes = uint64_t{1} << 20;
constexpr uint64_t kMostFileBytes = uint64_t{256} << 20;
constexpr uint64_t kBeginBytes = uint64_t{2} << 20;
constexpr uint64_t kMostChunkBytes = uint64_t{1} << 30;
constexpr std::string_view kExtension = ".chunks";

Status Damaged(const std::string& path, const std::string& what) {
  return absl::DataLossError(path + " " + what +
                             "; the state is damaged and was left as it is: restore a checkpoint "
                             "or a savepoint into a new directory");
}

}  // namespace

std::string EncodeChunkPlace(const ChunkPlace& place) {
  std::string bytes;
  PutVarint(place.file, &bytes);
  PutVarint(place.offset, &bytes);
  PutVarint(place.bytes, &bytes);
  SealWithCrc(&bytes);
  return bytes;
}

StatusOr<ChunkPlace> DecodeChunkPlace(std::string_view bytes) {
  const bool fits = CheckCrc(&bytes);
  ByteReader reader(bytes);
  ChunkPlace place;
  place.file = reader.Varint();
  place.offset = reader.Varint();
  place.bytes = reader.Varint();
  if (!fits || !reader.AtEnd() || place.bytes > kMostChunkBytes) {
    return absl::DataLossError("a chunk's place is damaged");
  }
  return place;
}

ChunkFiles::ChunkFiles(std::string folder, rocksdb::Env* env)
    : folder_(std::move(folder)), env_(env) {}

ChunkFiles::~ChunkFiles() {
  if (writer_ != nullptr) writer_->Close().PermitUncheckedError();
}

std::string ChunkFiles::PathOf(uint64_t number) const {
  return absl::StrFormat("%s/%012d%s", folder_, number, kExtension);
}

Status ChunkFiles::Hold(const ChunkPlace& place) {
  const std::lock_guard lock(mutex_);
  const auto [found, is_new] = files_.try_emplace(place.file);
  File& file = found->second;
  if (is_new) {
    const rocksdb::Status status = env_->GetFileSize(PathOf(place.file), &file.size);
    if (!status.ok()) return Damaged(PathOf(place.file), "is missing");
    next_ = std::max(next_, place.file + 1);
  }
  if (place.offset > file.size || place.bytes > file.size - place.offset) {
    return Damaged(PathOf(place.file), "is too short");
  }
  ++file.chunks;
  bytes_ += place.bytes;
  return absl::OkStatus();
}

Status ChunkFiles::RemoveOthers() {
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(FromRocksDb(env_->CreateDirIfMissing(folder_), folder_));
  std::vector<std::string> names;
  RETURN_IF_ERROR(FromRocksDb(env_->GetChildren(folder_, &names), folder_));
  for (const std::string& name : names) {
    uint64_t number = 0;
    const size_t digits = name.size() - std::min(name.size(), kExtension.size());
    if (name.substr(digits) != kExtension || !absl::SimpleAtoi(name.substr(0, digits), &number)) {
      continue;
    }
    if (files_.count(number) > 0) continue;
    RETURN_IF_ERROR(FromRocksDb(env_->DeleteFile(folder_ + "/" + name), folder_));
  }
  return absl::OkStatus();
}

Status ChunkFiles::OpenAll() {
  const std::lock_guard lock(mutex_);
  for (const auto& [number, file] : files_) RETURN_IF_ERROR(ReaderOf(number).status());
  return absl::OkStatus();
}

uint64_t ChunkFiles::MostBytes() const {
  return std::clamp(bytes_ / kFiles, kLeastFileBytes, kMostFileBytes);
}

Status ChunkFiles::BeginFile() {
  const uint64_t number = next_++;
  const std::string path = PathOf(number);
  RETURN_IF_ERROR(FromRocksDb(env_->NewWritableFile(path, &writer_, rocksdb::EnvOptions()), path));
  std::unique_ptr<rocksdb::Directory> folder;
  RETURN_IF_ERROR(FromRocksDb(env_->NewDirectory(folder_, &folder), folder_));
  RETURN_IF_ERROR(FromRocksDb(folder->Fsync(), folder_));
  current_ = number;
  begun_ = 0;
  files_[number] = {};
  return absl::OkStatus();
}

Status ChunkFiles::EndFile() {
  if (writer_ == nullptr) return absl::OkStatus();
  Status status;
  if (!is_synced_) status = FromRocksDb(writer_->Sync(), PathOf(current_));
  if (status.ok()) status = FromRocksDb(writer_->Close(), PathOf(current_));
  writer_.reset();
  is_synced_ = true;
  const uint64_t ended = std::exchange(current_, 0);
  if (files_[ended].chunks == 0) Remove(ended);
  return status;
}

// If the file stays, the next start removes it.
void ChunkFiles::Remove(uint64_t number) {
  files_.erase(number);
  env_->DeleteFile(PathOf(number)).PermitUncheckedError();
}

StatusOr<ChunkPlace> ChunkFiles::Append(std::string_view chunk) {
  const std::lock_guard lock(mutex_);
  if (writer_ != nullptr && files_[current_].size >= MostBytes()) RETURN_IF_ERROR(EndFile());
  if (writer_ == nullptr) RETURN_IF_ERROR(BeginFile());
  File& file = files_[current_];
  const ChunkPlace place = {current_, file.size, chunk.size()};
  is_synced_ = false;
  const rocksdb::Status appended = writer_->Append({chunk.data(), chunk.size()});
  if (!appended.ok()) {
    // What the file holds behind the last chunk is not known: it gets no more.
    writer_.reset();
    return FromRocksDb(appended, PathOf(std::exchange(current_, 0)));
  }
  file.size += chunk.size();
  ++file.chunks;
  bytes_ += chunk.size();
  // The disk begins while more is copied; errors come with Sync().
  if (file.size - begun_ >= kBeginBytes) {
    writer_->RangeSync(begun_, file.size - begun_).PermitUncheckedError();
    begun_ = file.size;
  }
  return place;
}

Status ChunkFiles::Sync() {
  const std::lock_guard lock(mutex_);
  if (is_synced_) return absl::OkStatus();
  if (writer_ == nullptr) return absl::UnavailableError(folder_ + ": an earlier write failed");
  RETURN_IF_ERROR(FromRocksDb(writer_->Sync(), PathOf(current_)));
  is_synced_ = true;
  return absl::OkStatus();
}

StatusOr<std::shared_ptr<rocksdb::RandomAccessFile>> ChunkFiles::ReaderOf(uint64_t number) {
  File& file = files_[number];
  if (file.reader == nullptr) {
    std::unique_ptr<rocksdb::RandomAccessFile> reader;
    const std::string path = PathOf(number);
    RETURN_IF_ERROR(
        FromRocksDb(env_->NewRandomAccessFile(path, &reader, rocksdb::EnvOptions()), path));
    file.reader = std::move(reader);
  }
  return file.reader;
}

StatusOr<std::string> ChunkFiles::Read(const ChunkPlace& place) {
  std::shared_ptr<rocksdb::RandomAccessFile> reader;
  {
    const std::lock_guard lock(mutex_);
    if (files_.count(place.file) == 0) return absl::NotFoundError(PathOf(place.file));
    ASSIGN_OR_RETURN(reader, ReaderOf(place.file));
  }
  std::string bytes(place.bytes, '\0');
  rocksdb::Slice read;
  RETURN_IF_ERROR(FromRocksDb(reader->Read(place.offset, place.bytes, &read, bytes.data()),
                              PathOf(place.file)));
  if (read.size() != place.bytes) return Damaged(PathOf(place.file), "is too short");
  if (read.data() != bytes.data()) bytes.assign(read.data(), read.size());
  return bytes;
}

void ChunkFiles::Expect(const ChunkPlace& place) {
  std::shared_ptr<rocksdb::RandomAccessFile> reader;
  {
    const std::lock_guard lock(mutex_);
    if (files_.count(place.file) == 0) return;
    StatusOr<std::shared_ptr<rocksdb::RandomAccessFile>> opened = ReaderOf(place.file);
    if (!opened.ok()) return;
    reader = *std::move(opened);
  }
  reader->Prefetch(place.offset, place.bytes).PermitUncheckedError();
}

void ChunkFiles::Drop(const ChunkPlace& place) {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(place.file);
  if (found == files_.end()) return;
  bytes_ -= place.bytes;
  if (--found->second.chunks == 0 && place.file != current_) Remove(place.file);
}

Status ChunkFiles::LinkInto(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(EndFile());
  std::error_code error;
  fs::create_directory(folder, error);
  for (const auto& [number, file] : files_) {
    const std::string path = PathOf(number);
    if (!error) fs::create_hard_link(path, fs::path(folder) / fs::path(path).filename(), error);
  }
  if (error) return absl::UnavailableError("checkpoint " + folder + ": " + error.message());
  return io::SyncFolder(folder);
}

}  // namespace vigil::state
