// The rows of binary formats: values of a record put into the columns of a batch, with its time and
// position.
//
// What the codecs of Protobuf and Avro share. A codec goes over one record and hands each field in
// use to Put(), or writes the columns itself where it knows the types to fit; Finish() then makes
// the row.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ingest/codec.h"
#include "ingest/partition_table.h"
#include "ingest/projection.h"

namespace vigil::ingest {

// Thread safety: none.
class RowWriter {
 public:
  explicit RowWriter(const CodecOptions& options);

  const CodecOptions& options() const { return options_; }
  const Projection& projection() const { return projection_; }
  size_t slots() const { return slots_; }
  // How a number in the field at `place` says a time.
  TimeUnit UnitOf(size_t place) const {
    return static_cast<int>(place) == projection_.time() ? options_.time.unit : TimeUnit::kMillis;
  }

  // Forgets the record before.
  void Begin() {
    time_ = cep::Value();
    for (cep::Value& value : extras_) value = cep::Value();
  }

  // Stores the value of the field at `place` of projection().names(), as the record has it; absent
  // where it has none. `at`: where the field stands in the record's bytes, or null. False after the
  // record was rejected: a value of another type, where the schema is strict.
  bool Put(const RawRecord& record, size_t place, const cep::Value& value, const char* at,
           cep::Batch* batch);

  // The event time, where it is known without Put().
  void SetTime(const cep::Value& value) { time_ = value; }

  // Completes the row behind the batch's last one; the caller counts it. False after the record was
  // rejected: it has no time or no position.
  bool Finish(RawRecord record, cep::Batch* batch);

  // Rejects the record for its field at `place`. False.
  bool RejectField(const RawRecord& record, size_t place, std::string_view what, const char* at,
                   cep::Batch* batch) const;

 private:
  bool ReadPosition(RawRecord* record, cep::Batch* batch);

  const CodecOptions options_;
  const bool strict_types_;
  const Projection projection_;
  const size_t slots_;
  PartitionTable partitions_;
  cep::Value time_;
  std::vector<cep::Value> extras_;  // of the places behind the slots
};

// The 1-based place of `at` in the record's bytes; 0 if it lies outside them.
uint64_t ByteOf(const RawRecord& record, const char* at);

}  // namespace vigil::ingest
