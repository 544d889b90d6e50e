// Protobuf messages, one a record: a projector over the wire format, driven by descriptors.
//
// A table says for each field number what to do with the value: nothing, or which column it goes
// to. A field of the usual kinds costs a jump and a store; nothing is allocated. What is read is
// checked: wire types, lengths, UTF-8 of strings in use. With `strict` the whole message is, nested
// ones included. Of a field that is sent twice the last value counts; messages are merged; unknown
// fields are skipped. A known field with another wire type than declared rejects the record, where
// Protobuf's own parsers take it for unknown: it means another message, and silence would cost
// alerts.
// How fields become values: codec_protobuf_plan.h.
// Tests: tests/ingest/codec_protobuf_test.cc (values against DynamicMessage), tests/fuzz.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ingest/codec.h"
#include "ingest/codec_protobuf_plan.h"
#include "ingest/codec_protobuf_read.h"
#include "ingest/row_writer.h"

namespace vigil::ingest {

// Renders messages as JSON objects: all fields that are present, as codec_protobuf_plan.h says.
// Immutable. `prefix` bytes of a record are left out.
class ProtobufRenderer : public cep::RecordRenderer {
 public:
  ProtobufRenderer(std::shared_ptr<const ProtobufDescriptors> descriptors,
                   const google::protobuf::Descriptor& message);

  bool AppendJson(std::string_view raw, std::string* out, std::string* why) const override;
  // The same for the message's bytes at `begin` of a record.
  bool AppendJsonAt(std::string_view raw, size_t begin, std::string* out, std::string* why) const;
  const PbMessage& message() const { return plan_.root(); }

 private:
  const std::shared_ptr<const ProtobufDescriptors> descriptors_;
  const PbPlan plan_;
};

// What the codec does with one message type, over the columns of one layout.
class ProtobufProjector {
 public:
  // Borrows `rows`, whose layout it writes.
  ProtobufProjector(std::shared_ptr<const ProtobufDescriptors> descriptors,
                    const google::protobuf::Descriptor& message, RowWriter* rows);

  // Fills the row behind the batch's last one from the message in `bytes`, a part of the record.
  // False after the record was rejected.
  bool Decode(const RawRecord& record, std::string_view bytes, cep::Batch* batch);

  const ProtobufRenderer& renderer() const { return renderer_; }

 private:
  enum class Op : uint8_t {
    kSkip,   // not in use
    kNever,  // a tag that no field of the message has: unknown
    kInt64,  // to a column of ints, and the following
    kInt32,
    kUint32,
    kSint64,
    kSint32,
    kFixed32,
    kSfixed32,
    kSfixed64,
    kBool,    // to a column of bools
    kDouble,  // to a column of doubles
    kFloat,
    kString,   // to a column of strings
    kGeneral,  // by ProtobufReader, then RowWriter::Put()
    kClear,    // not in use, but of a oneof that is
  };
  struct Action {
    Op op = Op::kNever;
    PbWire wire = PbWire::kVarint;
    bool is_time = false;
    int16_t oneof = -1;  // that another field in use, or this one, is part of
    uint16_t use = 0;    // index in uses_
    uint16_t field = 0;  // index in the message
  };
  // A place that the message has a field for.
  struct Use {
    uint32_t place = 0;  // in the projection
    const PbField* field = nullptr;
    ProtobufReader::Cell cell;  // kGeneral
    const char* at = nullptr;   // where it was seen last
    bool is_general = false;
  };

  void AddUses();
  Op OpOf(const PbField& field, size_t place) const;
  const Action& ActionOf(uint32_t number) const {
    return number < actions_.size() ? actions_[number] : LargeAction(number);
  }
  const Action& LargeAction(uint32_t number) const;
  bool Scan(std::string_view bytes, cep::Batch* batch);
  const char* Store(const Action& action, PbWire wire, const char* p, const char* end,
                    cep::Batch* batch);
  const char* StoreSlowly(const Action& action, uint32_t number, PbWire wire, const char* p,
                          const char* end);
  void ForgetOneof(const Action& action);
  bool PutRest(const RawRecord& record, cep::Batch* batch);
  bool RejectMessage(const RawRecord& record, cep::Batch* batch) const;

  const std::shared_ptr<const ProtobufDescriptors> descriptors_;
  RowWriter& rows_;
  const cep::Type wanted_;  // of the message: an object with the layout's fields
  const PbPlan plan_;
  const ProtobufRenderer renderer_;
  std::vector<Action> actions_;  // by field number, up to PbPlan::kDenseNumbers
  std::vector<Use> uses_;
  std::vector<uint64_t> all_seen_;  // a bit for each use that is not general
  std::vector<uint64_t> seen_;
  bool has_general_ = false;
  std::vector<uint32_t> missing_;  // places that no field of the message fills
  ProtobufReader reader_;
  Arena scratch_;  // of strict validation
};

// Thread safety: none; renderer() is immutable.
class ProtobufCodec : public Codec {
 public:
  ProtobufCodec(const CodecOptions& options, std::shared_ptr<const ProtobufDescriptors> descriptors,
                const google::protobuf::Descriptor& message);

  size_t Decode(const RawRecord* records, size_t count, cep::Batch* batch) override;
  const cep::RecordRenderer& renderer() const override { return projector_.renderer(); }

 private:
  RowWriter rows_;
  ProtobufProjector projector_;
};

}  // namespace vigil::ingest
