// JSON objects, one a record.
//
// By default a record is checked as far as it is read: UTF-8, quotes, the structure of its top
// level and the fields in use. With `strict` all of it is: see ValidateJsonObject(). Of a field
// that a record holds twice the last one counts.
#pragma once

#include <string_view>

#include "ingest/codec.h"
#include "ingest/json_fields.h"
#include "ingest/json_layout.h"
#include "ingest/json_tokenizer.h"
#include "ingest/partition_table.h"
#include "ingest/projection.h"

namespace vigil::ingest {

class JsonCodec : public Codec {
 public:
  explicit JsonCodec(const CodecOptions& options);

  size_t Decode(const RawRecord* records, size_t count, cep::Batch* batch) override;
  const cep::RecordRenderer& renderer() const override;

 private:
  size_t DecodeRun(const RawRecord* records, size_t count, cep::Batch* batch);
  uint64_t DecodePlain(size_t count, cep::Batch* batch);
  bool DecodeSlowly(RawRecord record, size_t line, cep::Batch* batch);
  void SetFrames(size_t count, cep::Batch* batch);
  bool FindFields(const RawRecord& record, size_t line, cep::Batch* batch);
  bool FindFieldsSlowly(const RawRecord& record, cep::Batch* batch);
  bool ReadPosition(RawRecord* record, cep::Batch* batch);
  bool ReadTime(const RawRecord& record, cep::Batch* batch);
  bool WriteColumns(const RawRecord& record, cep::Batch* batch);
  bool WriteSlowly(const RawRecord& record, size_t slot_index, cep::Batch* batch);
  bool RejectLine(const RawRecord& record, const JsonError& error, cep::Batch* batch) const;
  bool RejectField(const RawRecord& record, size_t place, std::string_view what,
                   cep::Batch* batch) const;

  const CodecOptions options_;
  const bool strict_types_;
  const Projection projection_;
  JsonLayoutParser layouts_;  // asked first
  JsonTokenizer tokenizer_;   // the judge of what it declines
  JsonFieldWriter writer_;
  PartitionTable partitions_;
  FieldTexts texts_;
  const bool has_plain_kinds_;  // rows may be filled without texts_: no positions, usual times
  bool plain_ = false;          // the record at hand is known to hold no backslash
  size_t most_in_run_ = JsonLayoutParser::kMaxGroup;
};

}  // namespace vigil::ingest
