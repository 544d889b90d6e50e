// Records by the ids of a real schema registry: Apicurio's Confluent-compatible API, schemas
// registered by curl, records written by libprotobuf and by hand.
#include "ingest/registry.h"

#include <catch2/catch.hpp>

#include "daemon/formats.h"
#include "ingest/codec_registry.h"
#include "tests/ingest/avro_support.h"
#include "tests/ingest/protobuf_support.h"
#include "tests/ingest/support.h"
#include "tests/support/schema_registry.h"

namespace vigil::ingest {
namespace {

using cep::TypeKind;
using namespace std::chrono_literals;

std::string Framed(uint32_t id, const std::string& payload) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(id >> shift);
  return Varint(5 + payload.size()) + out + payload;
}

constexpr const char* kAvro1 =
    R"({"type": "record", "name": "Event", "fields": [{"name": "ts", "type": "long"},
        {"name": "account", "type": "string"}]})";
constexpr const char* kAvro2 =
    R"({"type": "record", "name": "Event", "fields": [{"name": "ts", "type": "long"},
        {"name": "account", "type": "string"},
        {"name": "amount", "type": ["null", "double"], "default": null}]})";

TEST_CASE("SchemaRegistry: records by the ids of a real registry", "[integration]") {
  std::string why;
  const std::unique_ptr<testing::RealRegistry> real = testing::RealRegistry::Start(&why);
  if (real == nullptr) {
    WARN("skipped: no real schema registry here: " << why);
    return;
  }
  const uint32_t avro1 = real->Register("events-value", "AVRO", kAvro1);
  const uint32_t avro2 = real->Register("events-value", "AVRO", kAvro2);
  const uint32_t common = real->Register(
      "common", "PROTOBUF", "syntax = \"proto3\"; package c; message Money { int64 units = 1; }");
  const std::string proto =
      "syntax = \"proto3\"; package p; import \"common.proto\"; "
      "message Skipped {} message Event { int64 ts = 1; string account = 2; c.Money money = 3; }";
  const uint32_t protobuf =
      real->Register("proto-value", "PROTOBUF", proto,
                     R"([{"name": "common.proto", "subject": "common", "version": 1}])");
  REQUIRE(avro1 != 0);
  REQUIRE(avro2 != 0);
  REQUIRE(common != 0);
  REQUIRE(protobuf != 0);

  const RegistryOptions options = {.url = real->url(), .timeout = 500ms, .max_backoff = 200ms};
  const std::shared_ptr<SchemaRegistry> registry = *SchemaRegistry::Create(options);
  const std::string message = Varint(1 << 3) + Varint(3) + Varint(2 << 3 | 2) + Delimited("pb") +
                              Varint(3 << 3 | 2) + Delimited(Varint(1 << 3) + Varint(9));
  const std::string file =
      Framed(avro1, AvroLong(1) + AvroText("old")) +
      Framed(avro2, AvroLong(2) + AvroText("new") + AvroLong(1) + AvroRaw(2.5)) +
      Framed(protobuf, AvroLong(1) + AvroLong(1) + message) + Framed(999'999, "x");
  const SourceCase source = {
      .path = "x.pb",
      .fields = {{"account", TypeKind::kString}, {"amount", TypeKind::kDouble}},
      .strict_types = true,
      .formats = {{.kind = Format::Kind::kAvro, .registry = registry},
                  {.kind = Format::Kind::kProtobuf, .registry = registry}}};
  const std::vector<std::string> rows = ReadRows(source, file);
  REQUIRE(rows.size() == 4);
  CHECK(rows[0] == "0@1: 'old' -");
  CHECK(rows[1] == "1@2: 'new' 2.5d");
  CHECK(rows[2] == "2@3: 'pb' -");
  CHECK(rows[3].find("avro: byte 2: the registry has no schema 999999") != std::string::npos);

  const auto loaded =
      daemon::LoadRecordSchema(real->url() + "/subjects/events-value/versions/latest");
  REQUIRE(loaded.ok());
  CHECK(loaded->schema->Find("amount")->type.ToString() == "double");

  // A registry that hangs delays; what it answered before is kept.
  real->Stop();
  const std::shared_ptr<SchemaRegistry> late = *SchemaRegistry::Create(options);
  const SchemaRegistry::Answer answer = late->Get(avro1);
  CHECK_FALSE(answer.pending->Wait(1s));
  CHECK(registry->Get(avro1).schema != nullptr);
  real->Continue();
  CHECK(answer.pending->Wait(20s));
  CHECK(late->Get(avro1).schema != nullptr);
}

}  // namespace
}  // namespace vigil::ingest
