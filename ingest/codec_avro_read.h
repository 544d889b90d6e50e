// Avro's binary encoding, read as values by a plan made of the writer's schema, the reader's and
// what rules want.
//
// libavro is not asked to decode: it follows a recursive schema as deep as hostile bytes say, takes
// an array's count of empty elements at its word, and drops logical types, defaults and aliases.
// Here nothing recurses deeper than kMaxDepth, a length is checked against what is there before it
// is used, and a record holds at most kMaxValues values.
//
// How a type becomes a value:
//   int, long      int; float, double  double; string, enum  string; bytes, fixed  bytes
//   array  list; map  map, the last of equal keys; record  object; a union  the value of its branch
//   date, timestamp-*, local-timestamp-*  timestamp; time-*  duration
//   decimal        the nearest double, or its exact text where the schema says string
// Resolution (by name): a reader's field takes the writer's field of its name or of one of its
// aliases, else the reader's default; a writer's field that the reader does not have is kept, since
// an event is kept whole. A symbol that the reader's enum does not have becomes its default.
// Source: avro.apache.org/docs/1.11.1/specification ("Binary Encoding", "Schema Resolution").
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "cep/base/arena.h"
#include "cep/event/value.h"
#include "ingest/codec_avro_schema.h"

namespace vigil::ingest {

// One type of the writer's schema, resolved.
struct AvroNode {
  enum class As : uint8_t { kOwn, kText, kBytes };

  struct Field {
    std::string name;  // the reader's, where it has the field
    const AvroNode* node = nullptr;
  };
  struct Constant {
    std::string name;
    cep::Value value;
  };

  const AvroType* type = nullptr;
  As as = As::kOwn;                       // bytes as text, text as bytes, a decimal as text
  std::vector<Field> fields;              // of a record, in the writer's order
  std::vector<Constant> constants;        // of a record: the reader's defaults
  const AvroNode* element = nullptr;      // of an array or map
  std::vector<const AvroNode*> branches;  // of a union
  std::vector<std::string_view> symbols;  // of an enum, as the reader sees them
};

// Immutable once built; any number of threads may read it. Keeps the schemas.
class AvroPlan {
 public:
  // `reader` may be null. `wanted`: an object with the fields that rules read, or dyn.
  // `decimals_as_text`: where `wanted` says nothing.
  AvroPlan(std::shared_ptr<const AvroSchema> writer, std::shared_ptr<const AvroSchema> reader,
           const cep::Type& wanted, bool decimals_as_text);
  AvroPlan(const AvroPlan&) = delete;
  AvroPlan& operator=(const AvroPlan&) = delete;

  const AvroNode& root() const { return *root_; }

 private:
  const AvroNode* Add(const AvroType& writer, const AvroType* reader, const cep::Type& wanted);
  void AddFields(const AvroType* reader, const cep::Type& wanted, AvroNode* node);

  const std::shared_ptr<const AvroSchema> writer_;
  const std::shared_ptr<const AvroSchema> reader_;
  const bool decimals_as_text_;
  std::deque<AvroNode> nodes_;
  std::map<std::tuple<const AvroType*, const AvroType*, const cep::Type*>, const AvroNode*> known_;
  Arena arena_;  // of defaults
  const AvroNode* root_ = nullptr;
};

struct AvroError {
  const char* at = nullptr;
  const char* what = "";
  std::string_view field;  // the innermost one concerned, or empty
};

const char* ReadAvroLongSlow(const char* p, const char* end, int64_t* out);

// The zig-zag varint at `p`; returns what follows it, or null.
inline const char* ReadAvroLong(const char* p, const char* end, int64_t* out) {
  if (p < end && static_cast<signed char>(*p) >= 0) [[likely]] {
    const auto n = static_cast<uint64_t>(*p);
    *out = static_cast<int64_t>((n >> 1) ^ (~(n & 1) + 1));
    return p + 1;
  }
  return ReadAvroLongSlow(p, end, out);
}

// Thread safety: none.
class AvroReader {
 public:
  static constexpr int kMaxDepth = 64;
  static constexpr uint32_t kMaxValues = 1 << 20;

  // Begins with a record; values lie in `arena` and in the record.
  void Begin(Arena* arena) {
    arena_ = arena;
    values_ = 0;
    error_ = AvroError();
  }

  // The value at `p`; returns what follows it, or null: see error().
  const char* Read(const AvroNode& node, const char* p, const char* end, int depth,
                   cep::Value* out);
  // What follows the value at `p`, or null.
  const char* Skip(const AvroType& type, const char* p, const char* end, int depth);
  // The text or bytes at `p`.
  const char* ReadBytes(const char* p, const char* end, std::string_view* out);
  // The same, as UTF-8.
  const char* ReadText(const char* p, const char* end, std::string_view* out);
  const char* ReadInt(const char* p, const char* end, int64_t* out);
  const char* ReadBranch(const AvroType& type, const char* p, const char* end, size_t* out);

  std::nullptr_t Fail(const char* at, const char* what);
  const AvroError& error() const { return error_; }
  // Says which field failed, unless an inner one is known.
  void Blame(std::string_view field) {
    if (error_.field.empty()) error_.field = field;
  }

 private:
  const char* ReadArray(const AvroNode& node, const char* p, const char* end, int depth,
                        cep::Value* out);
  const char* ReadMap(const AvroNode& node, const char* p, const char* end, int depth,
                      cep::Value* out);
  const char* ReadRecord(const AvroNode& node, const char* p, const char* end, int depth,
                         cep::Value* out);
  const char* ReadBlock(const AvroType& element, size_t least, const char* p, const char* end,
                        uint32_t* count, int64_t* bytes);
  bool Logical(const AvroNode& node, const char* at, cep::Value* value);
  bool Count(const char* at, uint64_t count);

  Arena* arena_ = nullptr;
  uint32_t values_ = 0;
  AvroError error_;
};

// A value of the type's encoding as what its logical type means; false if it is out of range.
// `as_text`: decimals.
bool ApplyAvroLogical(const AvroType& type, bool as_text, Arena* arena, cep::Value* value);

}  // namespace vigil::ingest
