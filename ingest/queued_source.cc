#include "ingest/queued_source.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "ingest/codec_avro.h"
#include "ingest/codec_csv.h"

namespace vigil::ingest {
namespace {

constexpr std::chrono::milliseconds kDecodeAgainLimit{1000};

}  // namespace

QueuedSource::QueuedSource(QueuedSourceOptions options, RecordSourceLog* log)
    : options_(std::move(options)), log_(log) {}

Status QueuedSource::Start(Wakeup* wakeup) {
  wakeup_ = wakeup;
  return StartProducing();
}

void QueuedSource::Say(int level, const std::string& text, std::string_view place) const {
  log_->Write(level, options_.name, place, text);
}

// ---- Whoever produces ----

size_t QueuedSource::AddPartition(cep::Partition id, bool at_start, uint64_t next_offset,
                                  bool is_replaced) {
  const std::lock_guard lock(mutex_);
  queues_.emplace_back();
  added_.push_back({std::move(id), at_start, next_offset, is_replaced});
  return queues_.size() - 1;
}

void QueuedSource::SetStarted() {
  {
    const std::lock_guard lock(mutex_);
    is_set_up_ = true;
  }
  wakeup_->Notify();
}

bool QueuedSource::HasRoom(size_t partition) {
  const std::lock_guard lock(mutex_);
  Queue& queue = queues_[partition];
  queue.is_refused =
      !queue.blocks.empty() && (queue.bytes >= kPartitionBytes || bytes_ >= kTotalBytes);
  return !queue.is_refused;
}

void QueuedSource::Push(size_t partition, RecordBlock block) {
  {
    const std::lock_guard lock(mutex_);
    Queue& queue = queues_[partition];
    queue.bytes += block.bytes();
    bytes_ += block.bytes();
    queue.is_at_end = false;
    queue.blocks.push_back(std::move(block));
  }
  wakeup_->Notify();
}

void QueuedSource::SetEnd(size_t partition, bool is_at_end, bool is_connected, int64_t end_offset) {
  const std::lock_guard lock(mutex_);
  Queue& queue = queues_[partition];
  queue.is_at_end = is_at_end;
  queue.is_connected = is_connected;
  queue.looked_ms = options_.clock->SteadyMs();
  queue.end_offset = end_offset;
}

void QueuedSource::EndPartition(size_t partition) {
  {
    const std::lock_guard lock(mutex_);
    queues_[partition].has_ended = true;
  }
  wakeup_->Notify();
}

void QueuedSource::EndAll() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  wakeup_->Notify();
}

void QueuedSource::Fail(Status status) {
  {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(status);
  }
  wakeup_->Notify();
}

// ---- The driving thread ----

Status QueuedSource::Serve() {
  const std::lock_guard lock(mutex_);
  for (Added& added : added_) {
    State& state = states_.emplace_back();
    state.id = std::move(added.id);
    cep::LivePartition& live = live_.emplace_back();
    live.partition = &state.id;
    live.at_start = added.at_start;
    live.next_offset = added.next_offset;
    live.is_replaced = added.is_replaced;
  }
  added_.clear();
  has_started_ = is_set_up_;
  for (size_t p = 0; p < states_.size(); ++p) Update(p);
  has_ended_ = is_over_ && std::all_of(live_.begin(), live_.end(),
                                       [](const cep::LivePartition& p) { return p.has_ended; });
  return failure_;
}

// Under the lock: how the partition stands.
void QueuedSource::Update(size_t partition) {
  State& state = states_[partition];
  cep::LivePartition& live = live_[partition];
  const Queue& queue = queues_[partition];
  if (state.pending != nullptr && state.pending->ready()) state.pending.reset();
  const bool is_empty = state.next == state.block.records.size() && queue.blocks.empty();
  live.has_rows = !is_empty && state.pending == nullptr;
  live.is_at_end = is_empty && queue.is_at_end;
  live.is_connected = queue.is_connected;
  live.answered_ms = queue.looked_ms;
  live.has_ended = is_empty && queue.has_ended;
  live.end_offset = queue.end_offset;
}

// Takes the next block off the queue, if there is one.
bool QueuedSource::Pop(size_t partition) {
  State& state = states_[partition];
  bool is_room_awaited = false;
  {
    const std::lock_guard lock(mutex_);
    Queue& queue = queues_[partition];
    if (queue.blocks.empty()) return false;
    state.block = std::move(queue.blocks.front());
    state.next = 0;
    queue.blocks.pop_front();
    queue.bytes -= state.block.bytes();
    bytes_ -= state.block.bytes();
    // Others may have been refused for what all take together.
    for (Queue& other : queues_) {
      if (!other.is_refused) continue;
      is_room_awaited = true;
      other.is_refused = false;
    }
  }
  if (is_room_awaited) OnRoom();
  return true;
}

size_t QueuedSource::Read(size_t partition, size_t max, cep::Batch* batch) {
  State& state = states_[partition];
  cep::LivePartition& live = live_[partition];
  if (state.next == state.block.records.size() && !Pop(partition)) {
    live.has_rows = false;
    return 0;
  }
  const RecordBlock& block = state.block;
  size_t count = std::min(max, block.records.size() - state.next);
  records_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    const SplitRecord& split = block.records[state.next + i];
    records_[i] = {.bytes = {block.chunk->data.get() + split.begin, split.size},
                   .partition = &state.id,
                   .offset = split.offset,
                   .line = split.line,
                   .broken = split.broken};
  }
  if (batch->chunks.empty() || batch->chunks.back() != block.chunk) {
    batch->chunks.push_back(block.chunk);
  }
  const uint32_t first_row = batch->rows;
  HeaderCodec* const by_header = block.header != nullptr ? CodecOf(*block.header) : nullptr;
  if (by_header != nullptr && by_header->codec == nullptr) {
    for (const RawRecord& record : records_) Reject(record, 0, by_header->why, batch);
  } else {
    Codec* const codec = by_header != nullptr ? by_header->codec.get() : options_.codec.codec.get();
    count = Decode(codec, count, by_header != nullptr, batch);
    state.pending = codec->pending();
    if (state.pending != nullptr) Say(4, "waits for " + state.pending->Describe(), state.id.place);
  }
  SetTimes(state, first_row, batch);
  state.next += count;
  if (can_seek() && count > 0) {
    const RawRecord& last = records_[count - 1];
    live.last = {true, last.offset, HashBytes128(last.bytes)};
  }
  live.next_offset =
      state.next < block.records.size() ? block.records[state.next].offset : block.next_offset;
  const std::lock_guard lock(mutex_);
  Update(partition);
  return count;
}

// Of rows that the next records of the block have become, where they do not say it themselves.
void QueuedSource::SetTimes(const State& state, uint32_t first_row, cep::Batch* batch) const {
  const RecordBlock& block = state.block;
  if (!block.times.empty()) {
    size_t i = state.next;
    for (uint32_t row = first_row; row < batch->rows; ++row) {
      while (block.records[i].offset != batch->offsets[row]) ++i;
      batch->ts[row] = block.times[i];
    }
  } else if (options_.is_wall_time) {
    const int64_t now = options_.clock->WallMs();
    for (uint32_t row = first_row; row < batch->rows; ++row) batch->ts[row] = now;
  }
}

// Decodes the first `count` of records_; returns how many were taken. A batch's rows may be of
// different headers: each is then rendered by its own.
size_t QueuedSource::Decode(Codec* codec, size_t count, bool sets_renderers, cep::Batch* batch) {
  const uint32_t first_row = batch->rows;
  if (!sets_renderers || first_row == 0) batch->renderer = &codec->renderer();
  const size_t taken = codec->Decode(records_.data(), count, batch);
  if (sets_renderers && (batch->renderer != &codec->renderer() || !batch->renderers.empty())) {
    if (batch->renderers.empty()) batch->renderers.resize(cep::kBatchRows, batch->renderer);
    for (uint32_t row = first_row; row < batch->rows; ++row) {
      batch->renderers[row] = &codec->renderer();
    }
  }
  return taken;
}

QueuedSource::HeaderCodec* QueuedSource::CodecOf(const StreamHeader& header) {
  static HeaderCodec too_many{nullptr, "too many different headers"};
  static HeaderCodec broken{nullptr, "the header before it is too long"};
  if (header.broken != nullptr) return &broken;
  const auto known = header_codecs_.find(header.text);
  if (known != header_codecs_.end()) return &known->second;
  if (header_codecs_.size() >= kMaxHeaders) return &too_many;
  return &header_codecs_.emplace(header.text, MakeHeaderCodec(header.text)).first->second;
}

QueuedSource::HeaderCodec QueuedSource::MakeHeaderCodec(const std::string& header) const {
  if (options_.header == QueuedSourceOptions::Header::kAvro) {
    const StatusOr<std::shared_ptr<const AvroSchema>> schema = AvroSchema::Parse(header);
    if (!schema.ok()) return {nullptr, std::string(schema.status().message())};
    StatusOr<std::unique_ptr<AvroCodec>> codec =
        AvroCodec::Create(options_.codec.options, *schema, nullptr);
    if (!codec.ok()) return {nullptr, std::string(codec.status().message())};
    return {options_.codec.Timed(*std::move(codec)), ""};
  }
  StatusOr<std::vector<std::string>> names = ParseCsvHeader(header);
  if (!names.ok()) return {nullptr, std::string(names.status().message())};
  auto codec = std::make_unique<CsvCodec>(options_.codec.options, *std::move(names));
  return {options_.codec.Timed(std::move(codec)), ""};
}

const std::string* QueuedSource::HeaderOf(const cep::RecordRenderer* renderer) const {
  for (const auto& [header, by_header] : header_codecs_) {
    if (by_header.codec != nullptr && &by_header.codec->renderer() == renderer) return &header;
  }
  return nullptr;
}

std::vector<std::unique_ptr<Codec>> QueuedSource::SetCodec(SourceCodec codec) {
  std::vector<std::unique_ptr<Codec>> former;
  former.push_back(std::move(options_.codec.codec));
  options_.codec = std::move(codec);
  former_headers_.clear();
  for (auto& [header, by_header] : header_codecs_) {
    if (by_header.codec == nullptr) continue;
    former_headers_.emplace(&by_header.codec->renderer(), header);
    former.push_back(std::move(by_header.codec));
    by_header = MakeHeaderCodec(header);
  }
  return former;
}

void QueuedSource::DecodeAgain(const cep::Batch& from, const uint32_t* rows, size_t count,
                               cep::Batch* to) {
  const auto header_of = [&](uint32_t row) -> const std::string* {
    const auto found = former_headers_.find(from.RendererOf(row));
    return found == former_headers_.end() ? nullptr : &found->second;
  };
  for (size_t begin = 0, end = 0; begin < count; begin = end) {
    const std::string* const header = header_of(rows[begin]);
    records_.clear();
    for (; end < count && header_of(rows[end]) == header; ++end) {
      records_.push_back({.bytes = from.raw[rows[end]],
                          .partition = from.partitions[rows[end]],
                          .offset = from.offsets[rows[end]],
                          .line = 0,
                          .broken = nullptr});
    }
    Codec* const codec = header != nullptr ? header_codecs_.find(*header)->second.codec.get()
                                           : options_.codec.codec.get();
    const uint32_t first_row = to->rows;
    // Its schema was there when it was decoded first; a registry may have forgotten it since.
    while (!records_.empty()) {
      const size_t taken = Decode(codec, records_.size(), header != nullptr, to);
      records_.erase(records_.begin(), records_.begin() + static_cast<ptrdiff_t>(taken));
      if (records_.empty() || codec->pending()->Wait(kDecodeAgainLimit)) continue;
      Reject(records_.front(), 0, codec->pending()->Describe(), to);
      records_.erase(records_.begin());
    }
    size_t i = begin;
    for (uint32_t row = first_row; row < to->rows; ++row) {
      while (from.offsets[rows[i]] != to->offsets[row]) ++i;
      to->ts[row] = from.ts[rows[i]];
    }
  }
}

}  // namespace vigil::ingest
