#include "cep/runtime/shard.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "cep/base/check.h"
#include "cep/time/watermark.h"

namespace vigil::cep {

Shard::Shard(const ShardOptions& options, std::unique_ptr<Operator> op,
             std::unique_ptr<RecordSink> sink, std::unique_ptr<UnitPacker> packer)
    : options_(options),
      operator_(std::move(op)),
      sink_(std::move(sink)),
      packer_(std::move(packer)),
      reorder_(options.disorder_ms),
      block_(options.layout, options.key_exprs) {
  if (options_.unit_reader != nullptr) operator_->ReadFrom(options_.unit_reader.get());
}

Status Shard::Restore(const ReadUnits& read, uint64_t first_sequence) {
  sequence_ = first_sequence;
  return read(GroupsOf(options_.index, options_.count), packer_.get(),
              [this](const RestoredUnit& unit) {
                RETURN_IF_ERROR(operator_->Restore(unit));
                LeaveMemory();
                return absl::OkStatus();
              });
}

void Shard::LeaveMemory() {
  const UnitReader* const reader = options_.unit_reader.get();
  if (reader == nullptr) return;
  while (!pending_.empty() && reader->HasBarrier(pending_.front())) pending_.pop_front();
  operator_->LeaveMemory(options_.state_bytes, pending_.size());
}

void Shard::BeginSnapshot(uint64_t barrier) {
  CEP_CHECK(!is_saving_);
  is_saving_ = true;
  if (options_.unit_reader != nullptr) pending_.push_back(barrier);
  save_status_ = operator_->BeginSnapshot(packer_.get());
}

std::optional<ShardSnapshot> Shard::ContinueSnapshot(size_t units) {
  StatusOr<bool> is_complete = true;
  if (save_status_.ok()) is_complete = operator_->ContinueSnapshot(units);
  if (is_complete.ok() && !*is_complete) return std::nullopt;
  is_saving_ = false;
  return ShardSnapshot{save_status_.ok() ? is_complete.status() : save_status_, packer_->Take()};
}

// The rows in time that have a key here.
RowBits Shard::OwnedRows(const RoutedBatch& routed) const {
  const Batch& batch = *routed.batch;
  RowBits owned;
  for (const std::vector<uint64_t>& hashes : batch.key_hashes) {
    for (uint32_t begin = 0; begin < batch.rows; begin += 64) {
      const uint32_t end = std::min(begin + 64, batch.rows);
      uint64_t word = 0;
      for (uint32_t row = begin; row < end; ++row) {
        word |= uint64_t{Owns(hashes[row])} << (row - begin);
      }
      owned.words[begin / 64] |= word & routed.in_time.words[begin / 64];
    }
  }
  return owned;
}

void Shard::AddRows(const RoutedBatch& routed) {
  const RowBits owned = OwnedRows(routed);
  uint32_t taken = 0;
  for (const uint64_t word : owned.words) taken += static_cast<uint32_t>(std::popcount(word));
  if (taken == 0) return;
  held_.push_back({routed.batch, taken});
  reorder_.Add(*routed.batch, owned);
}

namespace {

template <typename T>
void Copy(const T* from, uint32_t count, T* to) {
  // Most spans are short: a call of memcpy() each would cost more than the copying.
  constexpr uint32_t kStep = 32 / sizeof(T);
  uint32_t i = 0;
  for (; i + kStep <= count; i += kStep) std::memcpy(to + i, from + i, 32);
  for (; i < count; ++i) to[i] = from[i];
}

}  // namespace

// Copies released rows into block_, column by column.
void Shard::Gather(const RowSpan* spans, size_t count) {
  uint32_t rows = 0;
  for (size_t s = 0; s < count; ++s) {
    const RowSpan& span = spans[s];
    Copy(span.batch->ts.get() + span.begin, span.size(), block_.ts.get() + rows);
    for (uint32_t row = span.begin; row < span.end; ++row) block_.refs[rows++] = {span.batch, row};
  }
  block_.rows = rows;
  block_.first_sequence = sequence_;
  for (size_t c = 0; c < block_.columns.size(); ++c) {
    Column& to = block_.columns[c];
    to.ResetStates();
    bool all_present = true;
    const auto copy = [&](auto* out, auto read) {
      for (size_t s = 0; s < count; ++s) {
        const Column& from = spans[s].batch->columns[c];
        Copy(read(from) + spans[s].begin, spans[s].size(), out);
        out += spans[s].size();
        all_present &= from.all_present();
      }
    };
    switch (to.kind()) {
      case ColumnKind::kInt:
        copy(to.ints(), [](const Column& f) { return f.ints(); });
        break;
      case ColumnKind::kDouble:
        copy(to.doubles(), [](const Column& f) { return f.doubles(); });
        break;
      case ColumnKind::kBool:
        copy(to.bools(), [](const Column& f) { return f.bools(); });
        break;
      case ColumnKind::kString:
        copy(to.strings(), [](const Column& f) { return f.strings(); });
        // The bytes were last touched when the row was decoded; conditions and keys read them next.
        for (uint32_t i = 0; i < rows; ++i) __builtin_prefetch(to.strings()[i].data());
        break;
      case ColumnKind::kValue:
        copy(to.values(), [](const Column& f) { return f.values(); });
        break;
    }
    if (all_present || to.kind() == ColumnKind::kValue) continue;
    for (uint32_t i = 0; i < rows; ++i) {
      const RowRef ref = block_.refs[i];
      to.SetState(i, ref.batch->columns[c].state(ref.row));
    }
  }
  for (size_t k = 0; k < block_.key_hashes.size(); ++k) {
    uint64_t* out = block_.key_hashes[k].get();
    for (size_t s = 0; s < count; ++s) {
      Copy(spans[s].batch->key_hashes[k].data() + spans[s].begin, spans[s].size(), out);
      out += spans[s].size();
    }
    if (options_.count == 1) continue;
    out = block_.key_hashes[k].get();
    for (uint32_t i = 0; i < rows; ++i) out[i] = Owns(out[i]) ? out[i] : kNoKey;
  }
}

// Rows of the span have been processed: drops its batch after the last of them.
void Shard::LetGo(const RowSpan& span) {
  const auto held = std::find_if(held_.begin(), held_.end(),
                                 [&](const Held& h) { return h.batch.get() == span.batch; });
  held->rows -= span.size();
  if (held->rows == 0) held_.erase(held);
}

void Shard::ProcessReleased() {
  size_t next = 0;
  while (next < released_.size()) {
    spans_.clear();
    uint32_t room = kBatchRows;
    while (next < released_.size() && room > 0) {
      RowSpan& span = released_[next];
      const uint32_t taken = std::min(room, span.size());
      spans_.push_back({span.batch, span.begin, span.begin + taken});
      room -= taken;
      span.begin += taken;
      if (span.size() == 0) ++next;
    }
    Gather(spans_.data(), spans_.size());
    operator_->ProcessRows(block_, sink_.get());
    // What falls due before the next row comes before it in any case; letting it happen now frees
    // memory.
    operator_->AdvanceTime(block_.ts[block_.rows - 1] - 1, sink_.get());
    sequence_ += block_.rows;
    for (const RowSpan& span : spans_) LetGo(span);
  }
  released_.clear();
}

std::vector<Record> Shard::Apply(const RoutedBatch& routed) {
  AddRows(routed);
  reorder_.Release(routed.watermark, &released_);
  ProcessReleased();
  // The end of time is one step, after all that fell due while there were rows: each shard must see
  // it alike.
  if (routed.watermark == kMaxTime) operator_->AdvanceTime(routed.newest_ts - 1, sink_.get());
  operator_->AdvanceTime(routed.watermark, sink_.get());
  LeaveMemory();
  std::vector<Record> records = sink_->Take();
  std::stable_sort(records.begin(), records.end(), ComesBefore);
  return records;
}

void Shard::AppendWaitingRows(std::vector<HeldRow>* out) const {
  std::unordered_map<const Batch*, const std::shared_ptr<const Batch>*> held;
  for (const Held& h : held_) held.emplace(h.batch.get(), &h.batch);
  reorder_.ForEach([&](const WaitingRow& row) { out->push_back({*held.at(row.batch), row.row}); });
}

void Shard::Swap(const RemakeOperator& remake, std::unique_ptr<RecordSink> sink,
                 std::shared_ptr<const Layout> layout, size_t key_exprs, bool forgets_rows) {
  CEP_CHECK(!is_saving_);
  operator_ = remake(operator_.get());
  sink_ = std::move(sink);
  options_.layout = std::move(layout);
  options_.key_exprs = key_exprs;
  block_ = OrderedBlock(options_.layout, options_.key_exprs);
  if (!forgets_rows) return;
  reorder_ = ReorderBuffer(options_.disorder_ms);
  held_.clear();
}

}  // namespace vigil::cep
