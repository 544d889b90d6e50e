#include "cep/runtime/shard.h"

#include <algorithm>
#include <bit>

#include "cep/time/watermark.h"

namespace vigil::cep {

Shard::Shard(const ShardOptions& options, std::unique_ptr<Operator> op,
             std::unique_ptr<RecordSink> sink)
    : options_(options),
      operator_(std::move(op)),
      sink_(std::move(sink)),
      reorder_(options.disorder_ms),
      block_(options.layout, options.key_exprs) {}

void Shard::AddRows(const RoutedBatch& routed) {
  const Batch& batch = *routed.batch;
  uint32_t taken = 0;
  for (uint32_t w = 0; w * 64 < batch.rows; ++w) {
    for (uint64_t word = routed.in_time.words[w]; word != 0; word &= word - 1) {
      const uint32_t row = w * 64 + static_cast<uint32_t>(std::countr_zero(word));
      if (!OwnsAny(batch, row)) continue;
      reorder_.Add({batch.ts[row], &batch, row});
      ++taken;
    }
  }
  if (taken > 0) held_[&batch] = {routed.batch, taken};
}

// Copies `count` released rows from `begin` on into block_, column by column.
void Shard::Gather(size_t begin, size_t count) {
  const WaitingRow* rows = released_.data() + begin;
  block_.rows = static_cast<uint32_t>(count);
  block_.first_sequence = sequence_;
  for (size_t i = 0; i < count; ++i) {
    block_.ts[i] = rows[i].ts;
    block_.refs[i] = {rows[i].batch, rows[i].row};
  }
  for (size_t c = 0; c < block_.columns.size(); ++c) {
    Column& to = block_.columns[c];
    to.ResetStates();
    bool all_present = true;
    const auto copy = [&](auto* out, auto read) {
      for (size_t i = 0; i < count; ++i) {
        const Column& from = rows[i].batch->columns[c];
        out[i] = read(from)[rows[i].row];
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
        for (size_t i = 0; i < count; ++i) __builtin_prefetch(to.strings()[i].data());
        break;
      case ColumnKind::kValue:
        copy(to.values(), [](const Column& f) { return f.values(); });
        break;
    }
    if (all_present || to.kind() == ColumnKind::kValue) continue;
    for (size_t i = 0; i < count; ++i) {
      to.SetState(static_cast<uint32_t>(i), rows[i].batch->columns[c].state(rows[i].row));
    }
  }
  for (size_t k = 0; k < block_.key_hashes.size(); ++k) {
    uint64_t* out = block_.key_hashes[k].get();
    for (size_t i = 0; i < count; ++i) {
      const uint64_t hash = rows[i].batch->key_hashes[k][rows[i].row];
      out[i] = Owns(hash) ? hash : kNoKey;
    }
  }
}

// Drops the references to the batches of rows that have been processed.
void Shard::LetGo(size_t begin, size_t count) {
  for (size_t i = begin; i < begin + count;) {
    size_t end = i + 1;
    while (end < begin + count && released_[end].batch == released_[i].batch) ++end;
    const auto it = held_.find(released_[i].batch);
    it->second.rows -= static_cast<uint32_t>(end - i);
    if (it->second.rows == 0) held_.erase(it);
    i = end;
  }
}

void Shard::ProcessReleased() {
  for (size_t begin = 0; begin < released_.size(); begin += kBatchRows) {
    const size_t count = std::min<size_t>(kBatchRows, released_.size() - begin);
    Gather(begin, count);
    operator_->ProcessRows(block_, sink_.get());
    // What falls due before the next row comes before it in any case; letting it happen now frees
    // memory.
    operator_->AdvanceTime(block_.ts[count - 1] - 1, sink_.get());
    sequence_ += count;
    LetGo(begin, count);
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
  std::vector<Record> records = sink_->Take();
  std::stable_sort(records.begin(), records.end(), ComesBefore);
  return records;
}

void Shard::AppendWaiting(std::vector<WaitingPosition>* out) const {
  reorder_.ForEach([out](const WaitingRow& row) {
    out->push_back({row.batch->partitions[row.row], row.batch->offsets[row.row]});
  });
}

}  // namespace vigil::cep
