// A source of a simulated world: what has arrived by the clock can be read, and read again.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "cep/base/clock.h"
#include "cep/base/hash.h"
#include "cep/runtime/live_source.h"
#include "ingest/chunk_pool.h"
#include "ingest/codec_json.h"
#include "tests/sim/world.h"

namespace vigil::sim {

class SimLive : public cep::LiveSource {
 public:
  // `world` and `clock` outlive every batch. `ends`: it is over once the world is.
  SimLive(const World& world, const SimSource& source, const ingest::CodecOptions& codec,
          const Clock* clock, bool ends)
      : world_(world),
        source_(source),
        codec_(codec),
        clock_(clock),
        ends_(ends),
        pool_(size_t{16} << 10) {}

  bool can_seek() const override { return true; }
  void Resume(std::vector<cep::ResumeFrom> partitions, bool) override {
    resumed_ = std::move(partitions);
  }
  Status Start(Wakeup*) override { return absl::OkStatus(); }
  Status Serve() override {
    const int64_t now = clock_->SteadyMs();
    const bool is_out = source_.IsOut(now);
    for (const SimPartition& partition : source_.partitions) {
      if (is_out || partition.appears_ms > now || Has(partition)) continue;
      served_.push_back({&partition, 0});
      cep::LivePartition live{.partition = &partition.id, .at_start = !has_served_};
      live.next_offset = BeginOf(partition);
      live_.push_back(live);
    }
    has_served_ = has_served_ || !is_out;
    for (size_t i = 0; i < live_.size(); ++i) {
      live_[i].is_connected = !is_out;
      if (!is_out) {
        live_[i].answered_ms = now;
        const std::vector<SimRecord>& records = served_[i].partition->records;
        while (served_[i].arrived < records.size() &&
               records[served_[i].arrived].arrival_ms <= now) {
          ++served_[i].arrived;
        }
      }
      Update(i);
    }
    return absl::OkStatus();
  }
  bool has_started() const override { return has_served_; }
  bool has_ended() const override { return ends_ && clock_->SteadyMs() >= world_.end_ms; }
  const std::vector<cep::LivePartition>& partitions() const override { return live_; }

  size_t Read(size_t index, size_t max, cep::Batch* batch) override {
    cep::LivePartition& live = live_[index];
    const std::vector<SimRecord>& records = served_[index].partition->records;
    const size_t count = std::min({max, size_t{9}, served_[index].arrived - live.next_offset});
    append_times_.clear();
    std::vector<ingest::RawRecord> raw;
    const std::shared_ptr<cep::Chunk> chunk = pool_.Get();
    batch->chunks.push_back(chunk);
    batch->renderer = &codec_.renderer();
    for (size_t i = 0; i < count; ++i, ++live.next_offset) {
      const std::string bytes = records[live.next_offset].Bytes();
      char* at = chunk->data.get() + chunk->size;
      std::memcpy(at, bytes.data(), bytes.size());
      chunk->size += bytes.size() + ingest::ChunkPool::kPadding;
      raw.push_back(
          {.bytes = {at, bytes.size()}, .partition = live.partition, .offset = live.next_offset});
      live.last = {true, live.next_offset, HashBytes128(bytes)};
    }
    const uint32_t first = batch->rows;
    REQUIRE(codec_.Decode(raw.data(), raw.size(), batch) == raw.size());
    for (uint32_t row = first; row < batch->rows; ++row) {
      append_times_.push_back(records[batch->offsets[row]].append_ms());
    }
    Update(index);
    return count;
  }
  const std::vector<int64_t>& append_times() const override { return append_times_; }
  // The rules of a simulated job stay what they are.
  void DecodeAgain(const cep::Batch&, const uint32_t*, size_t, cep::Batch*) override {
    FAIL("decoded again");
  }
  void Publish(const std::vector<uint64_t>&) override {}

 private:
  struct Served {
    const SimPartition* partition;
    size_t arrived;
  };

  bool Has(const SimPartition& partition) const {
    return std::any_of(served_.begin(), served_.end(),
                       [&](const Served& served) { return served.partition == &partition; });
  }
  // Also compares the last record that a former run read with what is there.
  uint64_t BeginOf(const SimPartition& partition) const {
    for (const cep::ResumeFrom& from : resumed_) {
      if (from.topic != partition.id.topic || from.number != partition.id.number) continue;
      REQUIRE(from.from <= from.next_offset);
      if (from.next_offset > 0) {
        REQUIRE(from.last.is_known);
        REQUIRE(from.last.offset + 1 == from.next_offset);
        REQUIRE(from.last.fingerprint == HashBytes128(partition.records[from.last.offset].Bytes()));
      }
      return from.from;
    }
    return 0;
  }
  void Update(size_t index) {
    cep::LivePartition& live = live_[index];
    live.has_rows = live.next_offset < served_[index].arrived;
    live.is_at_end = !live.has_rows;
    live.has_ended = has_ended() && live.next_offset == served_[index].partition->records.size();
  }

  const World& world_;
  const SimSource& source_;
  ingest::JsonCodec codec_;
  const Clock* clock_;
  const bool ends_;
  ingest::ChunkPool pool_;
  bool has_served_ = false;
  std::vector<cep::ResumeFrom> resumed_;
  std::vector<Served> served_;            // by index
  std::vector<cep::LivePartition> live_;  // by index
  std::vector<int64_t> append_times_;
};

}  // namespace vigil::sim
