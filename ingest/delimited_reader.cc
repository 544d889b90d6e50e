#include "ingest/delimited_reader.h"

#include <algorithm>
#include <cstring>

#include <absl/strings/str_cat.h>

#include "ingest/codec_protobuf_read.h"

namespace vigil::ingest {
namespace {

constexpr size_t kMaxVarint = 10;

}  // namespace

DelimitedReader::DelimitedReader(std::unique_ptr<io::ByteSource> source)
    : source_(std::move(source)), pool_(kChunkBytes), chunk_(pool_.Get()), capacity_(kChunkBytes) {}

// Reads until `want` bytes wait or the file ends; false if reading failed.
bool DelimitedReader::Fill(size_t want) {
  while (chunk_->size - begin_ < want && !at_end_) {
    const size_t waiting = chunk_->size - begin_;
    if (begin_ + want > capacity_ || chunk_->size == capacity_) {
      const std::shared_ptr<cep::Chunk> old = chunk_;
      chunk_ = pool_.Get(want > pool_.capacity() ? want : 0);
      capacity_ = std::max(want, pool_.capacity());
      std::memcpy(chunk_->data.get(), old->data.get() + begin_, waiting);
      chunk_->size = waiting;
      begin_ = 0;
    }
    StatusOr<size_t> n = source_->Read(chunk_->data.get() + chunk_->size, capacity_ - chunk_->size);
    if (!n.ok()) {
      status_ = n.status();
      return false;
    }
    at_end_ = *n == 0;
    chunk_->size += *n;
  }
  return true;
}

// Drops the next `bytes`, or what there is of them.
void DelimitedReader::Skip(uint64_t bytes) {
  while (bytes > 0) {
    const uint64_t now = std::min<uint64_t>(bytes, chunk_->size - begin_);
    begin_ += static_cast<size_t>(now);
    consumed_ += now;
    bytes -= now;
    if (bytes > 0 && (at_end_ || !Fill(1) || chunk_->size == begin_)) return;
  }
}

bool DelimitedReader::Next(RawRecord* record) {
  Skip(left_);  // of the record before: its chunk has been handed out
  left_ = 0;
  if (!status_.ok() || !Fill(kMaxVarint)) return false;
  const char* const begin = chunk_->data.get() + begin_;
  const char* const end = chunk_->data.get() + chunk_->size;
  if (begin == end) return false;
  record->offset = records_++;
  uint64_t length = 0;
  const char* const body = ReadVarint(begin, end, &length);
  if (body == nullptr) {
    record->bytes = {begin, std::min<size_t>(static_cast<size_t>(end - begin), kMaxVarint)};
    record->broken = "the length before the record is not valid";
    if (static_cast<size_t>(end - begin) >= kMaxVarint) {
      status_ = absl::DataLossError(absl::StrCat(source_->name(), ": no valid length at byte ",
                                                 consumed_ + 1,
                                                 ": what follows cannot be split into records"));
    }
    begin_ = chunk_->size;
    return true;
  }
  Skip(static_cast<uint64_t>(body - begin));
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(length, kRejectedBytes));
  if (!Fill(length > kMaxRecord ? wanted : static_cast<size_t>(length))) return false;
  const size_t there = chunk_->size - begin_;
  left_ = length;
  record->bytes = {chunk_->data.get() + begin_,
                   static_cast<size_t>(std::min<uint64_t>(length, there))};
  if (length > kMaxRecord) {
    record->bytes = record->bytes.substr(0, wanted);
    record->broken = "the record is longer than 16 MiB";
  } else if (there < length) {
    record->broken = "the file ends within the record";
  }
  return true;
}

size_t DelimitedReader::Split(size_t want, const cep::Partition* partition, RawRecord* records,
                              std::vector<std::shared_ptr<const cep::Chunk>>* chunks) {
  size_t count = 0;
  while (count < want) {
    RawRecord record;
    record.partition = partition;
    if (!Next(&record)) break;
    if (chunks->empty() || chunks->back() != chunk_) chunks->push_back(chunk_);
    records[count++] = record;
    if (!status_.ok()) break;
  }
  return count;
}

}  // namespace vigil::ingest
