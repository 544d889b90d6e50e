// Avro schemas: parsed from their JSON, with what records need of them.
//
// Kept: names and aliases with their namespaces, defaults, logical types. Limits: 16 MiB of text,
// 64 levels of nesting in it, kMaxTypes types; a named type may refer to itself. Source:
// avro.apache.org/docs/1.11.1/specification ("Schema Declaration", "Logical Types", "Schema
// Resolution").
// Tests: tests/ingest/codec_avro_test.cc.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/arena.h"
#include "cep/base/status.h"
#include "cep/event/schema.h"
#include "cep/event/value.h"

namespace vigil::ingest {

enum class AvroKind : uint8_t {
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,
  kFixed,
  kEnum,
  kArray,
  kMap,
  kUnion,
  kRecord,
};

enum class AvroLogical : uint8_t {
  kNone,
  kDate,             // int: days since 1970-01-01: a timestamp at midnight, UTC
  kTimeMillis,       // int: since midnight: a duration
  kTimeMicros,       // long
  kTimestampMillis,  // long: a timestamp; local-timestamp-* likewise, as if it were UTC
  kTimestampMicros,
  kTimestampNanos,
  kDecimal,  // bytes or fixed: unscaled two's complement, big endian
};

struct AvroType;

struct AvroField {
  std::string name;
  std::vector<std::string> aliases;
  const AvroType* type = nullptr;
  bool has_default = false;
  cep::Value default_value;  // as a value of `type`; lives as long as the schema
};

struct AvroType {
  AvroKind kind = AvroKind::kNull;
  AvroLogical logical = AvroLogical::kNone;
  std::string name;                       // full name of a record, enum or fixed
  std::vector<std::string> aliases;       // full names
  std::vector<AvroField> fields;          // of a record
  std::vector<std::string> symbols;       // of an enum
  int default_symbol = -1;                // of an enum
  uint32_t size = 0;                      // of a fixed
  uint32_t scale = 0;                     // of a decimal
  const AvroType* element = nullptr;      // of an array or map
  std::vector<const AvroType*> branches;  // of a union
  // A value takes at least one byte. Where it may take none, a count of values says nothing about
  // their bytes: null, a fixed of size 0, a record of such.
  bool takes_bytes = true;
};

// What a schema refers to by name without declaring it: other schemas, as a registry keeps them.
struct AvroReference {
  std::string name;
  std::string text;
};

// Immutable; any number of threads may read it.
class AvroSchema {
 public:
  static constexpr size_t kMaxTypes = 10'000;

  // Errors: INVALID_ARGUMENT, saying what is wrong and of which type.
  static StatusOr<std::shared_ptr<const AvroSchema>> Parse(
      std::string_view text, const std::vector<AvroReference>& references = {});
  // The same, read from a file.
  static StatusOr<std::shared_ptr<const AvroSchema>> Load(const std::string& path);

  const AvroType& root() const { return *root_; }

 private:
  friend class AvroSchemaParser;
  AvroSchema() = default;

  std::deque<AvroType> types_;
  Arena arena_;  // of defaults
  const AvroType* root_ = nullptr;
};

// The fields of a record schema with the types that conditions see: a union with null is its other
// branch, other unions are dyn (double where all branches are numbers), an enum is a string, a
// decimal a double, a record within itself dyn. INVALID_ARGUMENT for a schema that is no record.
StatusOr<cep::Schema> SchemaOfAvro(const AvroSchema& schema);

// The branch of a union with null that is not null, or null if it is not such a union.
const AvroType* NullableOf(const AvroType& type);

}  // namespace vigil::ingest
