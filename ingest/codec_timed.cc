#include "ingest/codec_timed.h"

#include <algorithm>
#include <cmath>

#include "ingest/event_time.h"

namespace vigil::ingest {

using cep::Value;
using cep::ValueTag;

bool TimedCodec::TimeOf(const Value& value, int64_t* ms) {
  switch (value.tag) {
    case ValueTag::kInt:
      *ms = value.i;
      break;
    case ValueTag::kUint:
      *ms = value.u > static_cast<uint64_t>(kMaxEventTime) ? kMaxEventTime + 1
                                                           : static_cast<int64_t>(value.u);
      break;
    case ValueTag::kDouble: {
      const double floor = std::floor(value.d);
      const bool is_in_range = floor >= static_cast<double>(kMinEventTime) &&
                               floor <= static_cast<double>(kMaxEventTime);
      *ms = is_in_range ? static_cast<int64_t>(floor) : kMaxEventTime + 1;
      break;
    }
    case ValueTag::kTimestamp:
      *ms = value.i * 1000 + value.nanos() / 1'000'000;
      break;
    case ValueTag::kError:
      why_.assign(value.s, value.size);
      return false;
    default:
      why_ = "it is neither a number of milliseconds nor a timestamp";
      return false;
  }
  if (*ms >= kMinEventTime && *ms <= kMaxEventTime) return true;
  why_ = "outside the years 0001 to 9999";
  return false;
}

// Sets the times of rows from `row` on; returns the first one that has none, for which why_ says
// why, or the number of rows.
uint32_t TimedCodec::SetTimes(uint32_t row, cep::Batch* batch) {
  cep::EvalContext context;
  context.block = batch;
  context.arena = &arena_;
  for (; row < batch->rows; ++row) {
    context.row = row;
    const bool has_time = TimeOf(time_->Eval(context), &batch->ts[row]);
    arena_.Reset();
    if (!has_time) break;
  }
  return row;
}

size_t TimedCodec::Decode(const RawRecord* records, size_t count, cep::Batch* batch) {
  // Once a row has no time, records come one by one, so that none is decoded more than twice.
  size_t step = count;
  for (size_t done = 0; done < count;) {
    const uint32_t first_row = batch->rows;
    const size_t first_rejected = batch->rejected.size();
    const size_t want = std::min(step, count - done);
    const size_t taken = inner_->Decode(records + done, want, batch);
    const uint32_t row = SetTimes(first_row, batch);
    if (row == batch->rows) {
      done += taken;
      if (taken < want) return done;
      continue;
    }
    // The row goes, and with it all that was decoded behind it.
    size_t rejected = first_rejected;
    while (rejected < batch->rejected.size() && batch->rejected[rejected].before_row <= row) {
      ++rejected;
    }
    batch->rejected.resize(rejected);
    const size_t index = done + (row - first_row) + (rejected - first_rejected);
    RawRecord record = records[index];
    record.partition = batch->partitions[row];  // records may say themselves where they belong
    record.offset = batch->offsets[row];
    batch->rows = row;
    Reject(record, 0, "no event time: `" + time_->text() + "`: " + why_, batch);
    done = index + 1;
    step = 1;
  }
  return count;
}

}  // namespace vigil::ingest
