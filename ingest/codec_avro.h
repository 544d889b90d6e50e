// Avro records, one schema a codec: what the writer's schema has is projected onto the layout by
// name.
//
// The fields are gone over in the writer's order; one of the usual kinds costs a jump and a store,
// one not in use is skipped. With `strict` the whole record is checked: UTF-8, symbols, times.
// How types become values: codec_avro_read.h.
// Tests: tests/ingest/codec_avro_test.cc (values against libavro's writer), tests/fuzz.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ingest/codec.h"
#include "ingest/codec_avro_read.h"
#include "ingest/codec_avro_schema.h"
#include "ingest/row_writer.h"

namespace vigil::ingest {

// Renders records as JSON objects: all fields of the writer, decimals as exact text. Immutable.
class AvroRenderer : public cep::RecordRenderer {
 public:
  // A record's first `prefix` bytes are not Avro.
  AvroRenderer(std::shared_ptr<const AvroSchema> writer, std::shared_ptr<const AvroSchema> reader,
               size_t prefix);

  bool AppendJson(std::string_view raw, std::string* out, std::string* why) const override;
  const AvroNode& root() const { return plan_.root(); }

 private:
  const AvroPlan plan_;
  const size_t prefix_;
};

// What a codec does with one writer's schema, over the columns of one layout.
class AvroProjector {
 public:
  // `reader` may be null. Borrows `rows`. Errors: INVALID_ARGUMENT if the writer's schema is not of
  // a record.
  static StatusOr<std::unique_ptr<AvroProjector>> Create(std::shared_ptr<const AvroSchema> writer,
                                                         std::shared_ptr<const AvroSchema> reader,
                                                         size_t prefix, RowWriter* rows);

  // Fills the row behind the batch's last one from the datum in `bytes`, which it must fill. False
  // after the record was rejected.
  bool Decode(const RawRecord& record, std::string_view bytes, cep::Batch* batch);

  const AvroRenderer& renderer() const { return renderer_; }

 private:
  enum class Op : uint8_t {
    kSkip,
    kInt,  // to a column of ints, and the following
    kLong,
    kBool,
    kDouble,
    kFloat,
    kString,
    kGeneral,
  };
  struct Step {
    Op op = Op::kSkip;
    int8_t null_branch = -1;  // of a union of null and the type: where null is
    bool is_time = false;
    uint32_t place = 0;
    const AvroType* type = nullptr;  // kSkip
    const AvroNode* node = nullptr;
    const std::string* name = nullptr;
  };
  struct Constant {
    uint32_t place = 0;
    cep::Value value;
  };

  AvroProjector(std::shared_ptr<const AvroSchema> writer, std::shared_ptr<const AvroSchema> reader,
                size_t prefix, RowWriter* rows);
  Step StepOf(const AvroNode::Field& field, size_t place) const;
  const char* Store(const Step& step, const char* p, const char* end, cep::Batch* batch);
  bool RejectDatum(const RawRecord& record, cep::Batch* batch) const;

  RowWriter& rows_;
  const cep::Type wanted_;
  const AvroPlan plan_;
  const AvroRenderer renderer_;
  std::vector<Step> steps_;
  std::vector<Constant> constants_;  // places that the writer does not fill
  AvroReader reader_;
  Arena scratch_;
};

// Thread safety: none; renderer() is immutable.
class AvroCodec : public Codec {
 public:
  // Errors: AvroProjector::Create()'s.
  static StatusOr<std::unique_ptr<AvroCodec>> Create(const CodecOptions& options,
                                                     std::shared_ptr<const AvroSchema> writer,
                                                     std::shared_ptr<const AvroSchema> reader);

  size_t Decode(const RawRecord* records, size_t count, cep::Batch* batch) override;
  const cep::RecordRenderer& renderer() const override { return projector_->renderer(); }

 private:
  explicit AvroCodec(const CodecOptions& options) : rows_(options) {}

  RowWriter rows_;
  std::unique_ptr<AvroProjector> projector_;
};

}  // namespace vigil::ingest
