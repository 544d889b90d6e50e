// Avro through every door: records by a schema with all types, container files, schemas. The first
// byte chooses options; the rest is the input of each.
#include <cstdint>
#include <string>

#include "cep/base/check.h"
#include "ingest/codec_avro.h"
#include "ingest/json_validate.h"
#include "tests/ingest/support.h"

namespace {

constexpr const char* kSchema = R"({"type": "record", "name": "R", "fields": [
    {"name": "ts", "type": "long"}, {"name": "s", "type": "string"},
    {"name": "d", "type": ["null", "double"]}, {"name": "i", "type": "int"},
    {"name": "b", "type": "boolean"}, {"name": "f", "type": "float"},
    {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
    {"name": "x", "type": {"type": "fixed", "name": "F", "size": 3}},
    {"name": "l", "type": {"type": "array", "items": ["null", "R", "string"]}},
    {"name": "n", "type": {"type": "array", "items": "null"}},
    {"name": "m", "type": {"type": "map", "values": "bytes"}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "c", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20,
                           "scale": 3}}]})";

std::string Delimited(const std::string& record) {
  std::string out;
  size_t n = record.size();
  for (; n >= 0x80; n >>= 7) out += static_cast<char>(n | 0x80);
  return out + static_cast<char>(n) + record;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vigil;  // NOLINT(google-build-using-namespace)
  using cep::Type;
  using cep::TypeKind;
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  static const auto schema = *ingest::AvroSchema::Parse(kSchema);
  ingest::Format format{.kind = ingest::Format::Kind::kAvro};
  format.writer = schema;
  ingest::SourceCase options = {.path = "x.pb",
                                .fields = {{"s", TypeKind::kString},
                                           {"d", TypeKind::kDouble},
                                           {"i", TypeKind::kInt},
                                           {"b", TypeKind::kBool},
                                           {"e", TypeKind::kString},
                                           {"l", TypeKind::kDyn},
                                           {"m", Type::Map(TypeKind::kString, TypeKind::kBytes)},
                                           {"at", TypeKind::kTimestamp},
                                           {"c", TypeKind::kString}},
                                .strict_types = (data[0] & 1) != 0,
                                .strict = (data[0] & 2) != 0,
                                .step = 1 + (data[0] >> 4) * 7u,
                                .formats = {format}};
  const auto rows = ingest::ReadRows(options, Delimited(bytes));
  CEP_CHECK(rows.size() == 1);
  static const ingest::AvroRenderer renderer(schema, nullptr, 0);
  std::string out;
  std::string why;
  ingest::JsonError error;
  const bool is_valid = renderer.AppendJson(bytes, &out, &why);
  if (is_valid) CEP_CHECK(ingest::ValidateJsonObject(out, &error));
  if (options.strict && rows[0].find("rejected") == std::string::npos) CEP_CHECK(is_valid);
  // As a container file, and as blocks of one.
  options.path = "x.avro";
  ingest::ReadRows(options, bytes);
  std::string head =
      "Obj\x01\x02\x16"
      "avro.schema";
  std::string length;
  for (size_t n = std::string(kSchema).size() * 2; true; n >>= 7) {
    length += static_cast<char>(n >= 0x80 ? n | 0x80 : n);
    if (n < 0x80) break;
  }
  head += length + kSchema + std::string(1, '\0') + "SYNCsyncSYNCsync";
  ingest::ReadRows(options, head + bytes);
  (void)ingest::AvroSchema::Parse(bytes);
  return 0;
}
