#include "ingest/avro_file.h"

#include <algorithm>
#include <cstring>
#include <snappy.h>

#include <absl/strings/str_cat.h>
#include <zlib.h>
#include <zstd.h>

#include "ingest/chunk_pool.h"

namespace vigil::ingest {
namespace {

constexpr std::string_view kMagic("Obj\x01", 4);
constexpr size_t kSyncBytes = 16;
constexpr size_t kMaxHeader = 32 << 20;
constexpr size_t kReadBytes = 256 << 10;
constexpr uint64_t kMaxEmptyRecords = 1 << 20;

std::shared_ptr<cep::Chunk> NewChunk(size_t bytes) {
  auto chunk = std::make_shared<cep::Chunk>();
  chunk->data.reset(new char[bytes + ChunkPool::kPadding]);  // left uninitialised on purpose
  std::memset(chunk->data.get() + bytes, 0, ChunkPool::kPadding);
  chunk->size = bytes;
  return chunk;
}

std::shared_ptr<cep::Chunk> ChunkOf(std::string_view bytes) {
  std::shared_ptr<cep::Chunk> chunk = NewChunk(bytes.size());
  std::memcpy(chunk->data.get(), bytes.data(), bytes.size());
  return chunk;
}

// Raw deflate (RFC 1951), at most `limit` bytes of content.
bool Inflate(std::string_view data, size_t limit, std::string* out) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  int result = Z_OK;
  while (result == Z_OK && out->size() <= limit) {
    const size_t old = out->size();
    out->resize(old + std::max<size_t>(64 << 10, old));
    stream.next_out = reinterpret_cast<Bytef*>(out->data() + old);
    stream.avail_out = static_cast<uInt>(out->size() - old);
    result = inflate(&stream, Z_NO_FLUSH);
    out->resize(out->size() - stream.avail_out);
    if (result == Z_BUF_ERROR) break;
  }
  inflateEnd(&stream);
  return result == Z_STREAM_END && out->size() <= limit;
}

// A frame, or several, of at most `limit` bytes of content.
bool Unzstd(std::string_view data, size_t limit, std::string* out) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                   ZSTD_freeDCtx);
  ZSTD_inBuffer in{data.data(), data.size(), 0};
  size_t rest = 1;
  while (out->size() <= limit) {
    const size_t old = out->size();
    out->resize(old + std::max<size_t>(64 << 10, old));
    ZSTD_outBuffer to{out->data() + old, out->size() - old, 0};
    rest = ZSTD_decompressStream(context.get(), &to, &in);
    out->resize(old + to.pos);
    if (ZSTD_isError(rest) != 0) return false;
    if (in.pos == in.size && to.pos < to.size) break;
  }
  return rest == 0 && out->size() <= limit;
}

// Avro's snappy: raw snappy, then the CRC-32 of the content, big endian.
bool Unsnappy(std::string_view data, size_t limit, std::string* out) {
  if (data.size() < 4) return false;
  const std::string_view body = data.substr(0, data.size() - 4);
  size_t size = 0;
  if (!snappy::GetUncompressedLength(body.data(), body.size(), &size) || size > limit) return false;
  out->resize(size);
  if (!snappy::RawUncompress(body.data(), body.size(), out->data())) return false;
  uint32_t expected = 0;
  for (const char c : data.substr(body.size())) {
    expected = expected << 8 | static_cast<unsigned char>(c);
  }
  return crc32(0, reinterpret_cast<const Bytef*>(out->data()), static_cast<uInt>(size)) == expected;
}

}  // namespace

StatusOr<std::unique_ptr<AvroFile>> AvroFile::Open(std::unique_ptr<io::ByteSource> source) {
  std::unique_ptr<AvroFile> file(new AvroFile(std::move(source)));
  RETURN_IF_ERROR(file->ReadHeader());
  return file;
}

// Reads until `want` bytes wait; false at the end of the file or after a failure.
bool AvroFile::Fill(size_t want) {
  while (input_.size() - begin_ < want && !at_end_) {
    if (begin_ > 0) {
      input_.erase(0, begin_);
      consumed_ += begin_;
      begin_ = 0;
    }
    const size_t old = input_.size();
    // A size that is only said costs nothing: the buffer doubles.
    input_.resize(old + std::max(kReadBytes, std::min(want - old, old)));
    StatusOr<size_t> n = source_->Read(input_.data() + old, input_.size() - old);
    input_.resize(old + (n.ok() ? *n : 0));
    if (!n.ok()) {
      status_ = n.status();
      return false;
    }
    at_end_ = *n == 0;
  }
  return input_.size() - begin_ >= want;
}

// The number at begin_; false if there is none, or reading failed.
bool AvroFile::ReadLong(int64_t* out) {
  Fill(10);
  if (!status_.ok()) return false;
  const char* const p = input_.data() + begin_;
  const char* const end = ReadAvroLong(p, input_.data() + input_.size(), out);
  if (end == nullptr) return false;
  begin_ += static_cast<size_t>(end - p);
  return true;
}

Status AvroFile::ReadHeader() {
  const auto fail = [&](std::string_view what) -> Status {
    if (!status_.ok()) return status_;
    return absl::InvalidArgumentError(absl::StrCat(
        source_->name(),
        ": not an Avro container file: ", absl::string_view(what.data(), what.size())));
  };
  if (!Fill(kMagic.size()) || input_.compare(0, kMagic.size(), kMagic) != 0) {
    return fail("it does not begin with `Obj` and 1");
  }
  begin_ = kMagic.size();
  std::string schema;
  std::string codec = "null";
  const auto text = [&](std::string* out) {
    int64_t size = 0;
    if (!ReadLong(&size) || size < 0 || size > static_cast<int64_t>(kMaxHeader)) return false;
    if (!Fill(static_cast<size_t>(size))) return false;
    *out = input_.substr(begin_, static_cast<size_t>(size));
    begin_ += static_cast<size_t>(size);
    return true;
  };
  while (true) {
    int64_t count = 0;
    int64_t bytes = 0;
    if (!ReadLong(&count)) return fail("the header is cut short");
    if (count == 0) break;
    if (count < 0) {
      if (!ReadLong(&bytes) || count < -1'000'000) return fail("the header is malformed");
      count = -count;
    }
    for (int64_t i = 0; i < count; ++i) {
      std::string key;
      std::string value;
      if (!text(&key) || !text(&value)) return fail("the header is malformed or cut short");
      if (key == "avro.schema") schema = std::move(value);
      if (key == "avro.codec") codec = std::move(value);
    }
  }
  if (!Fill(kSyncBytes)) return fail("the header is cut short");
  sync_ = input_.substr(begin_, kSyncBytes);
  begin_ += kSyncBytes;
  struct CodecRow {
    std::string_view name;
    Compression compression;
  };
  constexpr CodecRow kCodecs[] = {{"null", Compression::kNone},
                                  {"deflate", Compression::kDeflate},
                                  {"snappy", Compression::kSnappy},
                                  {"zstandard", Compression::kZstd}};
  const auto* const row = std::find_if(std::begin(kCodecs), std::end(kCodecs),
                                       [&](const CodecRow& r) { return r.name == codec; });
  if (row == std::end(kCodecs)) {
    return fail("its codec is `" + codec.substr(0, 64) +
                "`; null, deflate, snappy and zstandard can be read");
  }
  compression_ = row->compression;
  StatusOr<std::shared_ptr<const AvroSchema>> parsed = AvroSchema::Parse(schema);
  if (!parsed.ok()) {
    return fail(
        std::string_view(parsed.status().message().data(), parsed.status().message().size()));
  }
  schema_ = *std::move(parsed);
  schema_text_ = std::move(schema);
  return absl::OkStatus();
}

// The next record to hand out is broken, in a chunk of its own.
void AvroFile::Break(std::string_view bytes, std::string why) {
  reasons_.push_back(std::move(why));
  block_ = ChunkOf(bytes.substr(0, kRejectedBytes));
  next_ = block_end_ = block_->data.get();
  left_ = 0;
  broken_ = {};
  broken_.bytes = {block_->data.get(), block_->size};
  broken_.broken = reasons_.back().c_str();
  has_broken_ = true;
}

bool AvroFile::Decompress(std::string_view data, std::string* why) {
  if (compression_ == Compression::kNone) {
    block_ = ChunkOf(data);
    return true;
  }
  std::string content;
  const bool is_valid = compression_ == Compression::kDeflate  ? Inflate(data, kMaxBlock, &content)
                        : compression_ == Compression::kSnappy ? Unsnappy(data, kMaxBlock, &content)
                                                               : Unzstd(data, kMaxBlock, &content);
  if (!is_valid) {
    *why = "a block that cannot be decompressed, or is over 64 MiB";
    return false;
  }
  block_ = ChunkOf(content);
  return true;
}

// Goes on behind the next sync marker.
bool AvroFile::Resync() {
  while (true) {
    const size_t found = input_.find(sync_, begin_);
    if (found != std::string::npos) {
      begin_ = found + kSyncBytes;
      return true;
    }
    begin_ = std::max(begin_, input_.size() - std::min(input_.size(), kSyncBytes - 1));
    if (!Fill(input_.size() - begin_ + 1)) {
      begin_ = input_.size();
      return status_.ok();
    }
  }
}

// Makes the next block's records, or a broken one in its place, ready. False at the end.
bool AvroFile::NextBlock() {
  if (!Fill(1)) return false;
  const uint64_t at = consumed_ + begin_ + 1;
  const size_t frame = begin_;
  int64_t count = -1;
  int64_t size = -1;
  const bool has_sizes = ReadLong(&count) && ReadLong(&size);
  if (!status_.ok()) return false;
  const bool is_frame = has_sizes && count >= 0 && size >= 0 &&
                        size <= static_cast<int64_t>(kMaxBlock) &&
                        Fill(static_cast<size_t>(size) + kSyncBytes) &&
                        input_.compare(begin_ + static_cast<size_t>(size), kSyncBytes, sync_) == 0;
  if (!status_.ok()) return false;
  if (!is_frame) {
    // What Fill() moved stands at the front now.
    const size_t from = std::min(frame, begin_);
    std::string damaged = input_.substr(from, kRejectedBytes);
    if (!Resync()) return false;
    Break(damaged, absl::StrCat("the block at byte ", at,
                                " of the file is damaged or cut short: its records are lost"));
    return true;
  }
  const std::string_view data(input_.data() + begin_, static_cast<size_t>(size));
  begin_ += data.size() + kSyncBytes;
  std::string why;
  if (!Decompress(data, &why)) {
    Break(data, absl::StrCat("the block at byte ", at, " of the file: ", why, ": its ", count,
                             " records are lost"));
    return true;
  }
  next_ = block_->data.get();
  block_end_ = next_ + block_->size;
  left_ = static_cast<uint64_t>(count);
  if (!schema_->root().takes_bytes && left_ > kMaxEmptyRecords) {
    Break("", absl::StrCat("the block at byte ", at, " of the file: ", left_,
                           " records that take no bytes"));
  }
  return true;
}

bool AvroFile::Next(RawRecord* record) {
  while (!has_broken_) {
    if (left_ == 0) {
      if (next_ != block_end_) {
        Break(std::string(next_, block_end_), "bytes behind the last record of a block");
      } else if (!NextBlock()) {
        return false;
      }
      continue;
    }
    reader_.Begin(&arena_);
    const char* const end = reader_.Skip(schema_->root(), next_, block_end_, 1);
    --left_;
    if (end != nullptr) {
      *record = {};
      record->bytes = {next_, static_cast<size_t>(end - next_)};
      next_ = end;
      return true;
    }
    std::string why = reader_.error().what;
    if (!reader_.error().field.empty()) {
      why = absl::StrCat("field `", std::string(reader_.error().field), "`: ", why);
    }
    if (left_ > 0) {
      absl::StrAppend(&why, "; the ", left_, " records behind it in its block cannot be found");
    }
    Break(std::string(next_, block_end_), std::move(why));
  }
  has_broken_ = false;
  *record = broken_;
  return true;
}

size_t AvroFile::Split(size_t want, const cep::Partition* partition, RawRecord* records,
                       std::vector<std::shared_ptr<const cep::Chunk>>* chunks) {
  reasons_.clear();
  size_t count = 0;
  while (count < want && Next(&records[count])) {
    records[count].partition = partition;
    records[count].offset = records_++;
    if (chunks->empty() || chunks->back() != block_) chunks->push_back(block_);
    ++count;
  }
  return count;
}

}  // namespace vigil::ingest
