#include "ingest/line_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "ingest/cpu.h"

namespace vigil::ingest {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// Less room than this in a chunk is not worth a read() of its own.
constexpr size_t kMinRead = 16 << 10;

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

LineReader::LineReader(std::unique_ptr<io::ByteSource> source)
    : LineReader(std::move(source), Options()) {}

LineReader::LineReader(std::unique_ptr<io::ByteSource> source, const Options& options)
    : source_(std::move(source)), options_(options), pool_(options.chunk_bytes) {
  StartChunk(0);
}

bool LineReader::Next(Line* line) {
  std::string_view text;
  while (FindLine(&text)) {
    ++lines_;
    if (lines_ == 1 && text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    const bool too_long = text.size() > options_.max_line;
    if (!too_long && (text.empty() || static_cast<unsigned char>(text[0]) <= ' ') &&
        IsBlank(text)) {
      continue;
    }
    line->text = too_long ? text.substr(0, kTooLongKept) : text;
    line->number = lines_;
    line->record = records_++;
    line->too_long = too_long;
    return true;
  }
  return false;
}

namespace {

// Writes where the line ends in [from, end) are, the first `most` of them, to `ends`, which has
// room for 64 more; returns how many. ChunkPool::kPadding bytes behind `end` are read.
VIGIL_INLINE size_t FindLineEnds(const char* from, const char* end, size_t most,
                                 const char** ends) {
  size_t count = 0;
  const __m256i wanted = _mm256_set1_epi8('\n');
  for (; from < end && count < most; from += 64) {
    const auto* p = reinterpret_cast<const __m256i*>(from);
    const __m256i a = _mm256_cmpeq_epi8(_mm256_loadu_si256(p), wanted);
    const __m256i b = _mm256_cmpeq_epi8(_mm256_loadu_si256(p + 1), wanted);
    uint64_t bits = static_cast<uint32_t>(_mm256_movemask_epi8(a)) |
                    uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(b))} << 32;
    // Whether a block holds one is hard to predict, so its place is written in any case; more than
    // one are rare.
    ends[count] = from + std::countr_zero(bits);
    count += bits != 0 ? 1 : 0;
    for (bits &= bits - 1; bits != 0; bits &= bits - 1) {
      ends[count++] = from + std::countr_zero(bits);
    }
  }
  while (count > 0 && ends[count - 1] >= end) --count;
  return std::min(count, most);
}

}  // namespace

size_t LineReader::NextGroup(Line* lines, size_t most) {
  constexpr size_t kMost = 64;
  const char* ends[kMost + 64];
  const char* const data = chunk_->data.get();
  size_t found = 0;
  // The first line may have a byte order mark; of one that was looked at before the end is not in
  // the chunk.
  if (lines_ > 0 && scanned_ == begin_) {
    found = FindLineEnds(data + begin_, data + chunk_->size, std::min(most, kMost), ends);
  }
  size_t count = 0;
  // Plain lines; what is special about others is Next()'s business.
  for (const char* start = data + begin_; count < found; start = ends[count++] + 1) {
    const char* const stop = ends[count];
    if (stop == start || static_cast<unsigned char>(*start) <= ' ' || stop[-1] == '\r' ||
        static_cast<size_t>(stop - start) > options_.max_line) {
      break;
    }
    lines[count] = {.text = {start, static_cast<size_t>(stop - start)},
                    .number = lines_ + count + 1,
                    .record = records_ + count};
  }
  if (count == 0) return Next(lines) ? 1 : 0;
  begin_ = scanned_ = static_cast<size_t>(ends[count - 1] - data) + 1;
  lines_ += count;
  records_ += count;
  return count;
}

// The next line, blank or not; a line over the limit is cut to one byte more than the limit.
bool LineReader::FindLine(std::string_view* text) {
  while (true) {
    const char* data = chunk_->data.get();
    const char* from = data + scanned_;
    const char* end = data + chunk_->size;
    const char* stop =
        static_cast<const char*>(std::memchr(from, '\n', static_cast<size_t>(end - from)));
    if (stop == nullptr) {
      scanned_ = chunk_->size;
      if (scanned_ - begin_ > options_.max_line + 1) return SkipLongLine(text);
      if (!at_end_) {
        if (!Refill()) return false;
        continue;
      }
      if (begin_ == scanned_) return false;
      stop = end;
    }
    const char* start = data + begin_;
    begin_ = scanned_ = static_cast<size_t>(stop - data) + (stop < end ? 1 : 0);
    if (stop > start && stop[-1] == '\r') --stop;
    *text = {start, static_cast<size_t>(stop - start)};
    return true;
  }
}

// Keeps the beginning of a line over the limit and drops the rest of it, a chunk at a time.
bool LineReader::SkipLongLine(std::string_view* text) {
  const std::string_view kept(chunk_->data.get() + begin_, options_.max_line + 1);
  const std::shared_ptr<cep::Chunk> holder = chunk_;
  const char* stop = nullptr;
  StartChunk(0);
  while (stop == nullptr && !at_end_) {
    begin_ = scanned_ = chunk_->size = 0;
    if (!ReadInto(capacity_)) return false;
    stop = static_cast<const char*>(std::memchr(chunk_->data.get(), '\n', chunk_->size));
  }
  const size_t next =
      stop == nullptr ? chunk_->size : static_cast<size_t>(stop - chunk_->data.get()) + 1;
  // The kept beginning and what follows the line must lie in one chunk: callers hold only one.
  const size_t rest = chunk_->size - next;
  const std::shared_ptr<cep::Chunk> tail = chunk_;
  StartChunk(kept.size() + rest);
  std::memcpy(chunk_->data.get(), kept.data(), kept.size());
  std::memcpy(chunk_->data.get() + kept.size(), tail->data.get() + next, rest);
  chunk_->size = kept.size() + rest;
  begin_ = scanned_ = kept.size();
  *text = {chunk_->data.get(), kept.size()};
  return true;
}

// Makes room behind the data, if need be in a new chunk to which the unfinished line is copied, and
// reads once.
bool LineReader::Refill() {
  const size_t carried = chunk_->size - begin_;
  if (capacity_ - chunk_->size < std::min(kMinRead, pool_.capacity())) {
    const std::shared_ptr<cep::Chunk> old = chunk_;
    const size_t from = begin_;
    StartChunk(carried < pool_.capacity() / 2 ? 0 : carried * 2);
    std::memcpy(chunk_->data.get(), old->data.get() + from, carried);
    chunk_->size = carried;
    scanned_ = carried;
  }
  return ReadInto(capacity_ - chunk_->size);
}

// Reads up to `room` bytes behind the chunk's data. False when that failed; sets at_end_.
bool LineReader::ReadInto(size_t room) {
  StatusOr<size_t> n = source_->Read(chunk_->data.get() + chunk_->size, room);
  if (!n.ok()) {
    status_ = n.status();
    return false;
  }
  if (*n == 0) at_end_ = true;
  chunk_->size += *n;
  return true;
}

void LineReader::StartChunk(size_t want) {
  chunk_ = pool_.Get(want);
  capacity_ = std::max(want, pool_.capacity());
  begin_ = scanned_ = 0;
}

}  // namespace vigil::ingest
