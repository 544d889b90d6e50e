#include "ingest/record_splitter.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "cep/base/encoding.h"

namespace vigil::ingest {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr const char* kTooLongLine = "the line is longer than allowed";
constexpr const char* kTooLongRecord = "the record is longer than allowed";
constexpr const char* kCutShort = "the input ends within it";
constexpr const char* kNoLength =
    "its length is no varint: what follows cannot be split into records";
constexpr size_t kMaxVarint = 10;

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

void AppendContained(std::string_view record, const char* broken, std::string* out) {
  std::string why;
  PutBytes(broken == nullptr ? std::string_view() : broken, &why);
  PutVarint(why.size() + record.size(), out);
  out->append(why).append(record);
}

void RecordSplitter::Reset(uint64_t offset) {
  size_ = at_ = scanned_ = 0;
  base_ = offset;
  is_too_long_ = skips_rest_ = is_lost_ = false;
  skipped_ = left_ = 0;
  is_start_ = true;
  lines_ = 0;
  knows_lines_ = true;
  header_.reset();
}

void RecordSplitter::SetHeader(std::string text) {
  header_ = std::make_shared<const StreamHeader>(StreamHeader{std::move(text), nullptr});
}

char* RecordSplitter::Room(size_t size) {
  if (capacity_ - size_ < size) {
    const size_t capacity = std::max(size_ + size, std::min(2 * capacity_, size_ + (4 << 20)));
    std::unique_ptr<char[]> data(new char[capacity]);
    if (size_ > 0) std::memcpy(data.get(), data_.get(), size_);
    data_ = std::move(data);
    capacity_ = capacity;
  }
  return data_.get() + size_;
}

bool RecordSplitter::Take(RecordBlock* block) {
  *block = RecordBlock();
  Split(block);
  Emit(block);
  return !block->records.empty();
}

bool RecordSplitter::Finish(RecordBlock* block) {
  *block = RecordBlock();
  Split(block);
  const size_t left = size_ - at_;
  if (options_.framing == Framing::kLines) {
    if (left > 0 || is_too_long_) AddLine(size_, size_, block);
  } else if (left > 0 || is_too_long_) {
    AddRecord(at_, std::min(left, kTooLongKept), size_, is_too_long_ ? kTooLongRecord : kCutShort,
              block);
  }
  skips_rest_ = false;
  Emit(block);
  return !block->records.empty();
}

void RecordSplitter::Split(RecordBlock* block) {
  if (options_.framing == Framing::kLines) {
    while (NextLine(block)) {
    }
  } else {
    while (NextDelimited(block)) {
    }
  }
}

bool RecordSplitter::NextLine(RecordBlock* block) {
  const char* const from = data_.get() + scanned_;
  const void* const end = size_ == scanned_ ? nullptr : std::memchr(from, '\n', size_ - scanned_);
  if (end == nullptr) {
    scanned_ = size_;
    if (is_too_long_ || size_ - at_ > options_.max_record) KeepHead();
    return false;
  }
  const auto stop = static_cast<size_t>(static_cast<const char*>(end) - data_.get());
  AddLine(stop, stop + 1, block);
  return true;
}

// Only the head of the record that begins at at_ is kept. Nothing else may be split by then.
void RecordSplitter::KeepHead() {
  if (at_ > 0) return;  // once what is before it has left
  const size_t kept = std::min(size_, kTooLongKept);
  is_too_long_ = true;
  skipped_ += size_ - kept;
  size_ = scanned_ = kept;
}

// The line [at_, end) is complete; the next one begins at `next`.
void RecordSplitter::AddLine(size_t end, size_t next, RecordBlock* block) {
  const bool is_too_long = is_too_long_ || end - at_ > options_.max_record;
  ++lines_;
  std::string_view text(data_.get() + at_, end - at_);
  size_t begin = at_;
  if (std::exchange(is_start_, false) && text.substr(0, 3) == kByteOrderMark) {
    text.remove_prefix(3);
    begin += 3;
  }
  if (is_too_long) text = text.substr(0, kTooLongKept);
  if (!is_too_long && !text.empty() && text.back() == '\r') text.remove_suffix(1);
  const bool is_header = options_.has_header && header_ == nullptr;
  if (std::exchange(skips_rest_, false) || (!is_too_long && IsBlank(text))) {
    begin = next;
    text = {};
  } else if (is_header) {
    header_ = std::make_shared<const StreamHeader>(
        StreamHeader{std::string(text), is_too_long ? kTooLongLine : nullptr});
    text = {};
  } else {
    return AddRecord(begin, text.size(), next, is_too_long ? kTooLongLine : nullptr, block);
  }
  at_ = scanned_ = next;
  is_too_long_ = false;
}

void RecordSplitter::AddRecord(size_t begin, size_t size, size_t next, const char* broken,
                               RecordBlock* block) {
  // What was skipped lies behind the head of the first record.
  const uint64_t shift = at_ == 0 ? 0 : skipped_;
  block->records.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(size),
                            base_ + shift + at_, knows_lines_ ? lines_ : 0, broken});
  at_ = scanned_ = next;
  is_too_long_ = false;
}

void RecordSplitter::AddContained(size_t begin, size_t size, RecordBlock* block) {
  ByteReader reader({data_.get() + begin, size});
  const std::string_view why = reader.Bytes();
  const size_t record = reader.remaining();
  const char* broken = record > options_.max_record ? kTooLongRecord : nullptr;
  if (!why.empty()) broken = block->reasons.emplace_back(why).c_str();
  AddRecord(begin + size - record, record, begin + size, broken, block);
}

bool RecordSplitter::NextDelimited(RecordBlock* block) {
  if (is_lost_) {
    at_ = scanned_ = size_;
    return false;
  }
  if (is_too_long_) {
    // The head is at the front, what follows it is skipped as it comes.
    const size_t kept = scanned_;
    const auto drop = static_cast<size_t>(std::min<uint64_t>(size_ - kept, left_));
    std::memmove(data_.get() + kept, data_.get() + kept + drop, size_ - kept - drop);
    size_ -= drop;
    skipped_ += drop;
    left_ -= drop;
    if (left_ > 0) return false;
    AddRecord(0, kept, kept, kTooLongRecord, block);
    return true;
  }
  uint64_t length = 0;
  size_t begin = at_;
  for (int shift = 0;; shift += 7) {
    if (begin - at_ == kMaxVarint) {
      AddRecord(at_, std::min(size_ - at_, kTooLongKept), size_, kNoLength, block);
      is_lost_ = true;
      return false;
    }
    if (begin == size_) return false;
    const auto byte = static_cast<unsigned char>(data_[begin++]);
    length |= uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) break;
  }
  const size_t have = size_ - begin;
  if (length <= have) {
    if (options_.framing == Framing::kContained) {
      AddContained(begin, static_cast<size_t>(length), block);
      return true;
    }
    AddRecord(begin, static_cast<size_t>(length), begin + static_cast<size_t>(length),
              length > options_.max_record ? kTooLongRecord : nullptr, block);
    return true;
  }
  if (length > options_.max_record && at_ == 0) {
    const size_t kept = std::min(size_, kTooLongKept);
    is_too_long_ = true;
    skipped_ = size_ - kept;
    left_ = length - have;
    size_ = scanned_ = kept;
  }
  return false;
}

// Gives the block what was split, and moves what was not to the front.
void RecordSplitter::Emit(RecordBlock* block) {
  if (!block->records.empty()) {
    const bool is_large = at_ > 32 << 10;
    if (is_large && at_ <= pool_->capacity()) {
      const std::shared_ptr<cep::Chunk> chunk = pool_->Get(at_);
      std::memcpy(chunk->data.get(), data_.get(), at_);
      chunk->size = at_;
      block->chunk = chunk;
    } else {
      const auto chunk = std::make_shared<cep::Chunk>();
      chunk->data.reset(new char[at_ + ChunkPool::kPadding]);
      std::memcpy(chunk->data.get(), data_.get(), at_);
      std::memset(chunk->data.get() + at_, 0, ChunkPool::kPadding);
      chunk->size = at_;
      block->chunk = chunk;
    }
    block->header = header_;
  }
  if (at_ == 0) return;
  base_ += at_ + skipped_;
  block->next_offset = base_;
  skipped_ = 0;
  std::memmove(data_.get(), data_.get() + at_, size_ - at_);
  size_ -= at_;
  scanned_ -= at_;
  at_ = 0;
  // A record that is longer than may be kept is now alone.
  if (options_.framing == Framing::kLines && size_ > options_.max_record) KeepHead();
  // A stream of short records does not keep what one long record took.
  if (size_ == 0 && capacity_ > 1 << 20) {
    data_.reset();
    capacity_ = 0;
  }
}

}  // namespace vigil::ingest
