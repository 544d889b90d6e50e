// The Protobuf wire format, and messages read from it as values.
//
// Hostile bytes cost no more than the record is long: nothing recurses deeper than kMaxDepth, a
// length is checked against what is there before it is used, and a record holds at most kMaxValues
// values.
// Source: protobuf.dev/programming-guides/encoding.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "cep/base/arena.h"
#include "cep/event/value.h"
#include "ingest/codec_protobuf_plan.h"

namespace vigil::ingest {

const char* ReadVarintSlow(const char* p, const char* end, uint64_t* out);

// The varint at `p`; returns what follows it, or null if it ends behind `end`, or has over ten
// bytes.
inline const char* ReadVarint(const char* p, const char* end, uint64_t* out) {
  if (p < end && static_cast<signed char>(*p) >= 0) [[likely]] {
    *out = static_cast<unsigned char>(*p);
    return p + 1;
  }
  return ReadVarintSlow(p, end, out);
}

inline int64_t ZigZag(uint64_t n) { return static_cast<int64_t>((n >> 1) ^ (~(n & 1) + 1)); }

// The `length` bytes that a varint at `p` announces; null if there are fewer.
inline const char* ReadLength(const char* p, const char* end, std::string_view* bytes) {
  uint64_t length = 0;
  p = ReadVarint(p, end, &length);
  if (p == nullptr || length > static_cast<uint64_t>(end - p)) return nullptr;
  *bytes = {p, static_cast<size_t>(length)};
  return p + length;
}

// Whether all bytes are ASCII; cheap for short texts.
inline bool IsAscii(std::string_view text) {
  const char* p = text.data();
  size_t n = text.size();
  uint64_t high = 0;
  for (; n >= 8; p += 8, n -= 8) {
    uint64_t eight;
    std::memcpy(&eight, p, 8);
    high |= eight;
  }
  for (; n > 0; ++p, --n) high |= static_cast<unsigned char>(*p);
  return (high & 0x8080808080808080) == 0;
}

// Where a message is not valid, and why.
struct PbError {
  const char* at = nullptr;  // in the bytes, or elsewhere where a message came in pieces
  const char* what = "";
  const PbField* field = nullptr;  // the innermost one concerned, or null
};

// Thread safety: none.
class ProtobufReader {
 public:
  static constexpr int kMaxDepth = 100;  // as Protobuf's own parsers have it
  static constexpr uint32_t kMaxValues = 1 << 20;

  // What has been read of one field: values so far, or a message's bytes.
  struct Cell {
    cep::Value value;
    uint32_t capacity = 0;  // of a list or map
    bool is_set = false;
    std::string_view bytes;  // of a single message
  };

  // Begins with a record; values lie in `arena` and in the record.
  void Begin(Arena* arena) {
    arena_ = arena;
    values_ = 0;
    error_ = PbError();
  }

  // The whole message. False if it is not valid: see error().
  bool Read(const PbMessage& message, std::string_view bytes, cep::Value* out) {
    return ReadMessage(message, bytes, 1, out);
  }

  // Reads one occurrence of the field, whose tag ended at `p` and said `wire`; returns what follows
  // it, or null.
  const char* AddTo(Cell* cell, const PbField& field, PbWire wire, const char* p, const char* end,
                    int depth);
  // What the occurrences make together.
  bool Finish(const PbField& field, const Cell& cell, int depth, cep::Value* out);

  // What follows the field whose tag, which said `number` and `wire`, ended at `p`; or null.
  const char* Skip(uint32_t number, PbWire wire, const char* p, const char* end, int depth);

  // The tag at `p`; null if there is none, or it names no field.
  const char* ReadTag(const char* p, const char* end, uint32_t* number, PbWire* wire) {
    if (p < end && static_cast<signed char>(*p) >= 8 && (*p & 7) <= 5) [[likely]] {
      *number = static_cast<uint32_t>(*p) >> 3;
      *wire = static_cast<PbWire>(*p & 7);
      return p + 1;
    }
    return ReadTagSlowly(p, end, number, wire);
  }

  const char* Fail(const char* at, const char* what, const PbField* field = nullptr);
  const PbError& error() const { return error_; }

 private:
  const char* ReadTagSlowly(const char* p, const char* end, uint32_t* number, PbWire* wire);
  bool ReadMessage(const PbMessage& message, std::string_view bytes, int depth, cep::Value* out);
  bool ReadFields(const PbMessage& message, std::string_view bytes, int depth, Cell* cells);
  bool MakeMessage(const PbMessage& message, const char* at, cep::Value* fields, Cell* cells,
                   cep::Value* out);
  bool MakeTime(const PbMessage& message, const char* at, const cep::Value* fields,
                cep::Value* out);
  const char* ReadScalar(const PbField& field, const char* p, const char* end, cep::Value* out);
  bool AddElement(const PbField& field, const cep::Value& value, const char* at, Cell* cell);
  bool AddEntry(const PbField& field, std::string_view bytes, int depth, Cell* cell);
  bool Count(const char* at);

  Arena* arena_ = nullptr;
  uint32_t values_ = 0;
  PbError error_;
};

}  // namespace vigil::ingest
