#include "state/savepoint.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <unistd.h>

#include "cep/base/encoding.h"
#include "io/durable_file.h"
#include "state/log_keys.h"

namespace vigil::state {
namespace {

constexpr std::string_view kMagic = "VIGILSAV";
constexpr uint32_t kSavepointFormat = 1;
constexpr size_t kBatchBytes = 16 << 20;  // written to the store at a time

enum class Frame : uint8_t { kEnd, kHead, kRules, kJournal, kOutbox, kRow, kUnits };

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

Status SystemError(const std::string& path) {
  const std::string message = path + ": " + std::strerror(errno);
  if (errno == ENOSPC || errno == EDQUOT) return absl::ResourceExhaustedError(message);
  return absl::UnavailableError(message);
}

class SavepointWriter {
 public:
  explicit SavepointWriter(const std::string& path) : path_(path + ".tmp"), final_path_(path) {}

  Status Open() {
    file_.reset(std::fopen(path_.c_str(), "wb"));
    if (file_ == nullptr) return SystemError(path_);
    std::string start(kMagic);
    PutFixed32(kSavepointFormat, &start);
    return Append(start);
  }
  Status Add(Frame type, std::string_view payload) {
    std::string frame(1, static_cast<char>(type));
    PutFixed32(static_cast<uint32_t>(payload.size()), &frame);
    frame.append(payload);
    SealWithCrc(&frame);
    ++frames_;
    return Append(frame);
  }
  Status Finish() {
    std::string count;
    PutVarint(frames_, &count);
    RETURN_IF_ERROR(Add(Frame::kEnd, count));
    if (std::fflush(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0) {
      return SystemError(path_);
    }
    file_.reset();
    if (std::rename(path_.c_str(), final_path_.c_str()) != 0) return SystemError(final_path_);
    const std::string folder = std::filesystem::path(final_path_).parent_path();
    return io::SyncFolder(folder.empty() ? "." : folder);
  }

 private:
  Status Append(std::string_view bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) == bytes.size()) {
      return absl::OkStatus();
    }
    return SystemError(path_);
  }

  std::string path_;
  std::string final_path_;
  File file_;
  uint64_t frames_ = 0;
};

void PutUnit(const StoredUnit& unit, std::string* out) {
  PutBytes(unit.key, out);
  PutVarint(unit.head.incarnation, out);
  PutVarint(unit.head.capture_layout, out);
  PutVarint(unit.segment_ends.size(), out);
  uint32_t begin = 0;
  for (const uint32_t end : unit.segment_ends) {
    PutBytes(unit.body.substr(begin, end - begin), out);
    begin = end;
  }
}

class SavepointReader {
 public:
  explicit SavepointReader(const std::string& path) : path_(path) {}

  Status Open() {
    std::error_code error;
    left_ = std::filesystem::file_size(path_, error);
    if (error) return absl::NotFoundError("savepoint " + path_ + ": " + error.message());
    file_.reset(std::fopen(path_.c_str(), "rb"));
    if (file_ == nullptr) return SystemError(path_);
    std::string start;
    if (!Read(kMagic.size() + 4, &start) || start.rfind(kMagic, 0) != 0) {
      return absl::FailedPreconditionError(path_ + " is not a Vigil savepoint");
    }
    const uint32_t format = ByteReader(std::string_view(start).substr(kMagic.size())).Fixed32();
    if (format > kSavepointFormat) {
      return absl::UnimplementedError("savepoint " + path_ + " has format " +
                                      std::to_string(format) + ", this program knows up to " +
                                      std::to_string(kSavepointFormat));
    }
    return format == 0 ? Damaged("has format 0") : absl::OkStatus();
  }

  // The next frame; its payload is valid until the next call. After kEnd nothing may follow.
  StatusOr<Frame> Next(std::string_view* payload) {
    std::string start;
    if (!Read(5, &start)) return Damaged("is cut short");
    ByteReader reader(start);
    const uint8_t type = reader.Byte();
    const uint64_t size = reader.Fixed32();
    if (type > static_cast<uint8_t>(Frame::kUnits)) return Damaged("has a frame of unknown type");
    if (size + 4 > left_) return Damaged("is cut short");
    if (!Read(size + 4, &frame_)) return Damaged("cannot be read");
    *payload = frame_;
    ByteReader sum(payload->substr(size));
    payload->remove_suffix(4);
    if (sum.Fixed32() != Crc32c(*payload, Crc32c(start))) return Damaged("has a wrong checksum");
    ++frames_;
    if (static_cast<Frame>(type) == Frame::kEnd) {
      ByteReader end(*payload);
      if (end.Varint() != frames_ - 1 || !end.AtEnd() || left_ != 0) {
        return Damaged("has frames missing or behind its end");
      }
    }
    return static_cast<Frame>(type);
  }

  Status Damaged(const std::string& what) const {
    return absl::DataLossError("savepoint " + path_ + " " + what + ": frame " +
                               std::to_string(frames_) + ", before byte " + std::to_string(at_));
  }

 private:
  // Never more than the file holds.
  bool Read(uint64_t size, std::string* out) {
    if (size > left_) return false;
    out->resize(size);
    left_ -= size;
    at_ += size;
    return std::fread(out->data(), 1, size, file_.get()) == size;
  }

  std::string path_;
  File file_;
  uint64_t left_ = 0;
  uint64_t at_ = 0;
  uint64_t frames_ = 0;
  std::string frame_;
};

// Puts what the frames hold into an empty store.
class SavepointRestorer {
 public:
  SavepointRestorer(SavepointReader& reader, Store& store) : reader_(reader), store_(store) {}

  Status Run() {
    std::string_view payload;
    ASSIGN_OR_RETURN(Frame type, reader_.Next(&payload));
    if (type != Frame::kHead) return reader_.Damaged("does not begin with its head");
    ASSIGN_OR_RETURN(head_, DecodeHead(payload));
    next_sequence_ = head_.outbox_begin;
    head_.outbox_bytes = 0;
    while (true) {
      ASSIGN_OR_RETURN(type, reader_.Next(&payload));
      if (type == Frame::kEnd) return Finish();
      RETURN_IF_ERROR(Take(type, payload));
      if (batch_bytes_ + units_.bytes() >= kBatchBytes) RETURN_IF_ERROR(Flush());
    }
  }

 private:
  Status Take(Frame type, std::string_view payload) {
    ByteReader reader(payload);
    switch (type) {
      case Frame::kRules:
        return Put(Family::kMeta, std::string(kRulesKey), std::string(payload));
      case Frame::kJournal: {
        const uint64_t commit = reader.Varint();
        const uint64_t n = reader.Varint();
        const std::string_view entry = reader.Raw(reader.remaining());
        if (!reader.ok() || n > UINT32_MAX) return reader_.Damaged("has a damaged journal entry");
        RETURN_IF_ERROR(DecodeJournal(entry).status());
        return Put(Family::kMeta, JournalKey(commit, static_cast<uint32_t>(n)), std::string(entry));
      }
      case Frame::kOutbox:
        RETURN_IF_ERROR(DecodeRecord(payload).status());
        head_.outbox_bytes += payload.size() + 4;
        return Put(Family::kOutbox, SequenceKey(next_sequence_++), std::string(payload));
      case Frame::kRow: {
        ASSIGN_OR_RETURN(const KeptRow row, DecodeRow(payload));
        return Put(Family::kMeta,
                   CommitKey(RowPrefix(row.source, row.topic, row.partition),
                             static_cast<uint64_t>(row.offset)),
                   std::string(payload));
      }
      case Frame::kUnits:
        while (reader.remaining() > 0) RETURN_IF_ERROR(TakeUnit(reader));
        return absl::OkStatus();
      default:
        return reader_.Damaged("has a second head");
    }
  }

  Status TakeUnit(ByteReader& reader) {
    std::string key(reader.Bytes());
    cep::UnitKind head;
    head.incarnation = reader.Varint();
    head.capture_layout = reader.Varint();
    const size_t parts = reader.Count();
    if (!reader.ok() || parts == 0 || key <= last_key_ || !ParseUnitKey(key).ok()) {
      return reader_.Damaged("has a damaged or misplaced unit");
    }
    for (uint32_t part = 0; part < parts; ++part) {
      std::string value(reader.Bytes());
      if (!reader.ok()) return reader_.Damaged("has a damaged unit");
      if (part == 0) {
        const std::string segment = std::move(value);
        value.clear();
        AppendFirstPart(head, static_cast<uint32_t>(parts), segment, &value);
      }
      units_.Put(key, part, value);
    }
    last_key_ = std::move(key);
    return absl::OkStatus();
  }

  Status Put(Family family, std::string key, std::string value) {
    value = Sealed(std::move(value));
    batch_bytes_ += key.size() + value.size();
    batch_.Put(family, std::move(key), std::move(value));
    return absl::OkStatus();
  }
  Status Flush() {
    for (const std::string& bytes : units_.Take()) {
      const std::string_view chunk = PackedChunk(bytes).chunk();
      chunks_.bytes += chunk.size();
      batch_.Put(Family::kChunks, SequenceKey(chunks_.end++), std::string(chunk));
    }
    RETURN_IF_ERROR(store_.Write(batch_));
    batch_ = {};
    batch_bytes_ = 0;
    return absl::OkStatus();
  }

  Status Finish() {
    if (next_sequence_ != head_.outbox_end)
      return reader_.Damaged("has another outbox than it says");
    RETURN_IF_ERROR(Flush());
    batch_.Put(Family::kMeta, std::string(kChunkRangeKey), EncodeChunkRange(chunks_));
    batch_.Put(Family::kMeta, std::string(kHeadKey), EncodeHead(head_));
    return Flush();
  }

  SavepointReader& reader_;
  Store& store_;
  ChunkWriter units_;
  ChunkRange chunks_;
  CommitHead head_;
  uint64_t next_sequence_ = 0;
  std::string last_key_;
  StoreBatch batch_;
  size_t batch_bytes_ = 0;
};

}  // namespace

Status WriteSavepoint(CommitLog& log, const std::string& path) {
  SavepointWriter writer(path);
  RETURN_IF_ERROR(writer.Open());
  RETURN_IF_ERROR(writer.Add(Frame::kHead, EncodeHead(log.head())));
  ASSIGN_OR_RETURN(const std::optional<std::string> rules, log.ReadRuleSet());
  if (rules.has_value()) RETURN_IF_ERROR(writer.Add(Frame::kRules, *rules));
  ASSIGN_OR_RETURN(const auto journal, log.ReadJournal());
  uint64_t n = 0;
  for (const auto& [commit, entry] : journal) {
    std::string payload;
    PutVarint(commit, &payload);
    PutVarint(n++, &payload);
    RETURN_IF_ERROR(writer.Add(Frame::kJournal, payload + EncodeJournal(entry)));
  }
  ASSIGN_OR_RETURN(const std::vector<KeptRow> rows, log.ReadRows());
  for (const KeptRow& row : rows) RETURN_IF_ERROR(writer.Add(Frame::kRow, EncodeRow(row)));
  for (uint64_t next = log.head().outbox_begin; next < log.head().outbox_end;) {
    ASSIGN_OR_RETURN(const auto records, log.ReadOutbox(next, 1 << 20));
    if (records.empty()) return absl::DataLossError("the outbox ends too early");
    for (const auto& [sequence, record] : records) {
      RETURN_IF_ERROR(writer.Add(Frame::kOutbox, EncodeRecord(record)));
      next = sequence + 1;
    }
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Restorer> units, log.MakeRestorer());
  std::string packed;
  RETURN_IF_ERROR(units->Restore(0, cep::kKeyGroups, [&](const StoredUnit& unit) -> Status {
    PutUnit(unit, &packed);
    if (packed.size() < kChunkSize) return absl::OkStatus();
    const Status added = writer.Add(Frame::kUnits, packed);
    packed.clear();
    return added;
  }));
  if (!packed.empty()) RETURN_IF_ERROR(writer.Add(Frame::kUnits, packed));
  return writer.Finish();
}

Status RestoreSavepoint(const std::string& path, const std::string& to,
                        const RocksDbOptions& options) {
  SavepointReader reader(path);
  RETURN_IF_ERROR(reader.Open());
  return CreateRocksDbStore(to, options,
                            [&](Store& store) { return SavepointRestorer(reader, store).Run(); })
      .status();
}

}  // namespace vigil::state
