#include "ingest/received_source.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include <absl/strings/str_cat.h>

#include "cep/base/check.h"
#include "cep/base/encoding.h"
#include "ingest/chunk_pool.h"

namespace vigil::ingest {
namespace {

constexpr size_t kBlockBytes = 256 << 10;
constexpr size_t kBlockRecords = 4096;

struct Row {
  uint64_t offset = 0;
  int64_t ts = 0;
  std::string_view header;
  std::string_view record;
};

bool ReadKept(const cep::KeptRow& kept, Row* row) {
  ByteReader reader(kept.bytes);
  row->offset = kept.offset;
  row->ts = reader.Signed();
  row->header = reader.Bytes();
  row->record = reader.Raw(reader.remaining());
  return reader.AtEnd();
}

// Rows of streams with one header.
RecordBlock BlockOf(const Row* rows, size_t count, size_t bytes) {
  ChunkPool pool(bytes);
  const std::shared_ptr<cep::Chunk> chunk = pool.Get(bytes);
  RecordBlock block;
  for (size_t i = 0; i < count; ++i) {
    const Row& row = rows[i];
    std::memcpy(chunk->data.get() + chunk->size, row.record.data(), row.record.size());
    block.records.push_back({.begin = static_cast<uint32_t>(chunk->size),
                             .size = static_cast<uint32_t>(row.record.size()),
                             .offset = row.offset,
                             .line = 0,
                             .broken = nullptr});
    block.times.push_back(row.ts);
    chunk->size += row.record.size();
  }
  block.chunk = chunk;
  if (!rows[0].header.empty()) {
    block.header =
        std::make_shared<const StreamHeader>(StreamHeader{std::string(rows[0].header), nullptr});
  }
  return block;
}

}  // namespace

void ReceivedSource::Keep(const cep::Batch& from, uint32_t row, std::string* out) const {
  const std::string* const header = HeaderOf(from.RendererOf(row));
  PutSigned(from.ts[row], out);
  PutBytes(header == nullptr ? std::string_view() : *header, out);
  out->append(from.raw[row]);
}

void ReceivedSource::Resume(std::vector<cep::ResumeFrom> partitions, bool accepts_loss) {
  resumed_ = std::move(partitions);
  accepts_loss_ = accepts_loss;
}

StatusOr<uint64_t> ReceivedSource::Begin() {
  uint64_t next = static_cast<uint64_t>(clock().WallMs()) << 20;
  const cep::ResumeFrom* own = nullptr;
  for (const cep::ResumeFrom& resumed : resumed_) {
    if (resumed.topic == topic_ && resumed.number == 0) {
      own = &resumed;
      continue;
    }
    const std::string gone = absl::StrCat("source ", name(), ": it has no partition ", name(), "/",
                                          resumed.topic, "/", resumed.number);
    if (!accepts_loss_) {
      return absl::FailedPreconditionError(
          absl::StrCat(gone, "; --accept-loss gives it up and goes on"));
    }
    Say(4, absl::StrCat(gone, "; accepted as lost"));
  }
  if (own != nullptr) next = std::max(next, own->next_offset);
  const bool gives_again = own != nullptr && !own->kept.empty();
  const size_t partition =
      AddPartition({name(), topic_, 0, absl::StrCat(name(), "/", topic_, "/0")}, true,
                   gives_again ? own->kept.front().offset : next);
  CEP_CHECK(partition == 0);
  if (gives_again) RETURN_IF_ERROR(GiveAgain(*own));
  resumed_.clear();
  SetStarted();
  return next;
}

Status ReceivedSource::GiveAgain(const cep::ResumeFrom& resumed) {
  std::vector<Row> rows(resumed.kept.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (ReadKept(resumed.kept[i], &rows[i])) continue;
    return absl::DataLossError(absl::StrCat(name(), "/", topic_, "/0: the kept row ",
                                            resumed.kept[i].offset, " is damaged"));
  }
  for (size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    size_t bytes = 0;
    do {
      bytes += rows[end++].record.size();
    } while (end < rows.size() && rows[end].header == rows[begin].header &&
             end - begin < kBlockRecords && bytes < kBlockBytes);
    RecordBlock block = BlockOf(&rows[begin], end - begin, bytes);
    block.next_offset = end < rows.size() ? rows[end].offset : resumed.next_offset;
    Push(0, std::move(block));
  }
  return absl::OkStatus();
}

}  // namespace vigil::ingest
