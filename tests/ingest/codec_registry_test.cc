// Records with schema ids: the wire format, what waits and what does not, the registry's client.
#include "ingest/codec_registry.h"

#include <deque>
#include <thread>

#include <catch2/catch.hpp>

#include "ingest/registry.h"
#include "tests/ingest/avro_support.h"
#include "tests/ingest/protobuf_support.h"
#include "tests/ingest/support.h"
#include "tests/support/schema_registry.h"

namespace vigil::ingest {
namespace {

using cep::TypeKind;
using testing::FakeRegistry;
using namespace std::chrono_literals;

std::string Framed(uint32_t id, const std::string& payload) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(id >> shift);
  return out + payload;
}

std::string AvroEvent(int version) {
  const std::string more =
      version == 2 ? R"(, {"name": "country", "type": "string", "default": "XX"})" : "";
  return R"({"type": "record", "name": "Event", "fields": [{"name": "ts", "type": "long"},
             {"name": "account", "type": "string"})" +
         more + "]}";
}

std::shared_ptr<SchemaRegistry> Connect(const std::string& url,
                                        std::chrono::milliseconds missing_for = 1h) {
  StatusOr<std::shared_ptr<SchemaRegistry>> registry =
      SchemaRegistry::Create({.url = url,
                              .timeout = 2s,
                              .min_backoff = 5ms,
                              .max_backoff = 50ms,
                              .missing_for = missing_for});
  REQUIRE(registry.ok());
  return *std::move(registry);
}

// A codec, and a batch that it fills.
struct Decoding {
  Decoding(Format::Kind kind, std::shared_ptr<SchemaRegistry> registry,
           const std::string& message = "") {
    Format format{.kind = kind, .registry = std::move(registry), .message = message};
    Make({format});
  }
  explicit Decoding(const std::vector<Format>& formats) { Make(formats); }

  void Make(const std::vector<Format>& formats) {
    layout->Add("account", TypeKind::kString);
    StatusOr<std::unique_ptr<Codec>> made = MakeCodec(formats, {.layout = layout});
    REQUIRE(made.ok());
    codec = *std::move(made);
    batch = std::make_unique<cep::Batch>(layout);
    batch->renderer = &codec->renderer();
  }

  size_t Decode(const std::vector<std::string>& bytes) {
    for (const std::string& text : bytes) texts.emplace_back(text);
    std::vector<RawRecord> records;
    for (size_t i = texts.size() - bytes.size(); i < texts.size(); ++i) {
      records.push_back({.bytes = texts[i].view(), .partition = &partition, .offset = i});
    }
    return codec->Decode(records.data(), records.size(), batch.get());
  }
  // Decodes one record after what it waits for has come.
  void DecodeAll(const std::string& bytes) {
    while (Decode({bytes}) == 0) REQUIRE(codec->pending()->Wait(10s));
  }
  std::vector<std::string> Rows() const {
    std::vector<std::string> rows;
    AppendRows(*batch, &rows);
    for (std::string& row : rows) row = row.substr(row.find_first_of(" @") + 1);
    return rows;
  }
  std::string Json(uint32_t row) const {
    std::string out;
    std::string why;
    return batch->RendererOf(row)->AppendJson(batch->raw[row], &out, &why) ? out : "no: " + why;
  }

  std::shared_ptr<cep::Layout> layout = std::make_shared<cep::Layout>();
  cep::Partition partition;
  std::unique_ptr<Codec> codec;
  std::unique_ptr<cep::Batch> batch;
  std::deque<PaddedText> texts;
};

std::string AvroRecord(int64_t ts, const std::string& account) {
  return AvroLong(ts) + AvroText(account);
}

TEST_CASE("RegistryCodec: Avro by ids of several versions", "[ingest][unit]") {
  FakeRegistry server;
  server.SetSchema(1, "AVRO", AvroEvent(1));
  server.SetSchema(0x01020304, "AVRO", AvroEvent(2));
  Decoding d(Format::Kind::kAvro, Connect(server.url()));
  CHECK(d.Decode({Framed(1, AvroRecord(5, "a"))}) == 0);
  CHECK(d.batch->rows == 0);
  CHECK(d.codec->pending()->Describe() == "schema 1 of " + server.url());
  d.DecodeAll(Framed(1, AvroRecord(5, "a")));
  d.DecodeAll(Framed(0x01020304, AvroRecord(6, "b") + AvroText("DE")));
  CHECK(d.Decode({Framed(1, AvroRecord(7, "c"))}) == 1);
  CHECK(d.codec->pending() == nullptr);
  CHECK(d.Rows() == std::vector<std::string>{"5: 'a'", "6: 'b'", "7: 'c'"});
  CHECK(d.Json(0) == R"({"ts":5,"account":"a"})");
  CHECK(d.Json(1) == R"({"ts":6,"account":"b","country":"DE"})");
  CHECK(d.Json(2) == R"({"ts":7,"account":"c"})");
  CHECK(server.Count("/schemas/ids/1") == 1);
}

TEST_CASE("RegistryCodec: Protobuf, its message indexes and imports", "[ingest][unit]") {
  const std::string common = "syntax = \"proto3\"; package c; message Money { int64 units = 1; }";
  const std::string main =
      "syntax = \"proto3\"; package p; import \"common.proto\";\n"
      "import \"google/protobuf/timestamp.proto\";\n"
      "message Other {} message Outer { message Event { int64 ts = 1; string account = 2; "
      "c.Money money = 3; } }";
  FakeRegistry server;
  server.Set(
      "/schemas/ids/7", 200,
      "{\"schemaType\":\"PROTOBUF\",\"schema\":" + testing::QuoteJson(main) +
          ",\"references\":[{\"name\":\"common.proto\",\"subject\":\"a/b\",\"version\":3}]}");
  server.Set("/subjects/a%2Fb/versions/3", 200,
             "{\"schemaType\":\"PROTOBUF\",\"schema\":" + testing::QuoteJson(common) + "}");
  const std::string message = Varint(1 << 3) + Varint(5) + Varint(2 << 3 | 2) + Delimited("x") +
                              Varint(3 << 3 | 2) + Delimited(Varint(1 << 3) + Varint(9));
  const std::string nested = AvroLong(2) + AvroLong(1) + AvroLong(0);
  Decoding d(Format::Kind::kProtobuf, Connect(server.url()));
  d.DecodeAll(Framed(7, nested + message));
  CHECK(d.Decode({Framed(7, AvroLong(0) + ""), Framed(7, AvroLong(1) + AvroLong(8)),
                  Framed(7, AvroLong(1) + AvroLong(-1)), Framed(7, AvroLong(99)), Framed(7, ""),
                  Framed(7, nested + message)}) == 6);
  CHECK(d.Rows() == std::vector<std::string>{"5: 'x'", "rejected: no event time: no field `ts`",
                                             "rejected: byte 6: no message 8 in the schema",
                                             "rejected: byte 6: malformed message indexes",
                                             "rejected: byte 6: malformed message indexes",
                                             "rejected: byte 6: malformed message indexes",
                                             "5: 'x'"});
  CHECK(d.Json(1) == R"({"ts":5,"account":"x","money":{"units":9}})");
  Decoding named(Format::Kind::kProtobuf, Connect(server.url()), "p.Other");
  named.DecodeAll(Framed(7, nested + message));
  CHECK(named.Rows() ==
        std::vector<std::string>{"rejected: byte 6: the record is a `p.Outer.Event`, expected a "
                                 "`p.Other`"});
}

TEST_CASE("RegistryCodec: what will never decode is rejected at once", "[ingest][unit]") {
  FakeRegistry server;
  server.SetSchema(1, "AVRO", AvroEvent(1));
  server.SetSchema(2, "JSON", "{}");
  server.SetSchema(3, "AVRO", "{\"type\": \"nothing\"}");
  server.SetSchema(4, "AVRO", "\"string\"");
  Decoding d(Format::Kind::kAvro, Connect(server.url()));
  for (const uint32_t id : {1U, 2U, 3U, 4U, 5U}) d.DecodeAll(Framed(id, AvroRecord(1, "a")));
  CHECK(d.Decode({"", std::string("\0\0\0\0", 4), "{\"ts\":1}", Framed(1, "")}) == 4);
  CHECK(d.Rows() ==
        std::vector<std::string>{
            "1: 'a'", "rejected: byte 2: schema 2: it is no Avro schema",
            "rejected: byte 2: schema 3: not an Avro schema: no type `nothing`",
            "rejected: byte 2: schema 4: the schema is not of a record, so it has no fields",
            "rejected: byte 2: the registry has no schema 5",
            "rejected: no schema id: the record is shorter than 5 bytes",
            "rejected: no schema id: the record is shorter than 5 bytes",
            "rejected: byte 1: no schema id: the first byte is not 0",
            "rejected: byte 6: field `ts`: malformed long"});
}

TEST_CASE("SchemaRegistry: a registry that is down delays", "[ingest][unit]") {
  uint16_t port = 0;
  {
    const FakeRegistry server;
    port = server.port();
  }
  const std::shared_ptr<SchemaRegistry> registry =
      Connect("http://127.0.0.1:" + std::to_string(port));
  Decoding d(Format::Kind::kAvro, registry);
  const std::string record = Framed(1, AvroRecord(5, "a"));
  CHECK(d.Decode({record}) == 0);
  const std::shared_ptr<const Pending> pending = d.codec->pending();
  CHECK_FALSE(pending->Wait(100ms));
  CHECK(pending->Describe().find(": connect: Connection refused (") != std::string::npos);
  FakeRegistry server(port);
  server.Set("/schemas/ids/1", 500, "{\"error_code\":50001,\"message\":\"busy\"}");
  CHECK_FALSE(pending->Wait(200ms));
  CHECK(pending->Describe().find("GET /schemas/ids/1 answered 500 (busy) (") != std::string::npos);
  server.Set("/schemas/ids/1", 404, "<html>");
  CHECK_FALSE(pending->Wait(200ms));
  CHECK(pending->Describe().find("answered 404: is the URL right? (") != std::string::npos);
  server.Set("/schemas/ids/1", 200, "[]");
  CHECK_FALSE(pending->Wait(200ms));
  CHECK(pending->Describe().find("did not answer with a schema: is the URL right? (") !=
        std::string::npos);
  server.SetSchema(1, "AVRO", AvroEvent(1));
  CHECK(pending->Wait(10s));
  CHECK(pending->ready());
  CHECK(d.Decode({record}) == 1);
  CHECK(d.Rows() == std::vector<std::string>{"5: 'a'"});
}

TEST_CASE("SchemaRegistry: an unknown id is asked for again after a while", "[ingest][unit]") {
  FakeRegistry server;
  const std::shared_ptr<SchemaRegistry> registry = Connect(server.url(), 300ms);
  const auto settled = [&](uint32_t id) {
    while (true) {
      const SchemaRegistry::Answer answer = registry->Get(id);
      if (answer.pending == nullptr) return answer.schema;
      REQUIRE(answer.pending->Wait(10s));
    }
  };
  CHECK(settled(1) == nullptr);
  CHECK(settled(1) == nullptr);
  CHECK(server.Count("/schemas/ids/1") == 1);
  server.SetSchema(1, "AVRO", AvroEvent(1));
  std::this_thread::sleep_for(400ms);
  CHECK(settled(1) != nullptr);
  CHECK(server.Count("/schemas/ids/1") == 2);
}

TEST_CASE("SchemaRegistry: credentials, and URLs that are none", "[ingest][unit]") {
  FakeRegistry server;
  server.SetSchema(1, "AVRO", AvroEvent(1));
  const std::string authority = "u%40x:p%3A1@127.0.0.1:" + std::to_string(server.port());
  const std::shared_ptr<SchemaRegistry> registry = Connect("http://" + authority + "/");
  CHECK(registry->url() == server.url());
  REQUIRE(registry->Get(1).pending->Wait(10s));
  CHECK(server.last_request().find("Authorization: Basic dUB4OnA6MQ==") != std::string::npos);
  for (const char* url : {"", "ftp://x", "http://", "http://:80", "http://x:y", "http://a b/",
                          "http://%zz@x", "x:80"}) {
    INFO(url);
    CHECK_FALSE(SchemaRegistry::Create({.url = url}).ok());
  }
  CHECK_FALSE(SchemaRegistry::Create({.url = "https://x", .ca_file = "/not/there"}).ok());
}

TEST_CASE("ListCodec: the first format that accepts a record counts", "[ingest][unit]") {
  FakeRegistry server;
  server.SetSchema(1, "AVRO", AvroEvent(1));
  ProtoFile file("syntax = \"proto3\"; message Event { int64 ts = 1; string account = 2; }");
  const std::vector<Format> formats = {
      {.kind = Format::Kind::kAvro, .registry = Connect(server.url())},
      {.kind = Format::Kind::kProtobuf, .descriptors = file.descriptors(), .message = "Event"},
      {.kind = Format::Kind::kJson}};
  Decoding d(formats);
  d.DecodeAll(Framed(1, AvroRecord(1, "avro")));
  const std::string json = R"({"ts":3,"account":"json","more":[1]})";
  CHECK(d.Decode({file.Encode("Event", R"({"ts": 2, "account": "pb"})")}) == 1);
  CHECK(d.Decode({json, Framed(1, AvroRecord(4, "again")), "nonsense"}) == 3);
  const std::vector<std::string> rows = d.Rows();
  REQUIRE(rows.size() == 5);
  CHECK(rows[0] == "1: 'avro'");
  CHECK(rows[1] == "2: 'pb'");
  CHECK(rows[2] == "3: 'json'");
  CHECK(rows[3] == "4: 'again'");
  CHECK(rows[4] ==
        "rejected: no format accepts it: avro: byte 1: no schema id: the first byte is not 0; "
        "protobuf: byte 1: not a message: a tag with an unknown wire type; "
        "json: byte 1: not a JSON object: expected an object");
  CHECK(d.Json(0) == R"({"ts":1,"account":"avro"})");
  CHECK(d.Json(1) == R"({"ts":2,"account":"pb"})");
  CHECK(d.Json(2) == json);
}

TEST_CASE("FileSource: a file waits for its schema, and says when it waited too long",
          "[ingest][unit]") {
  FakeRegistry server;
  server.Set("/schemas/ids/1", 503, "");
  Format format{.kind = Format::Kind::kAvro, .registry = Connect(server.url())};
  std::string file;
  for (int i = 0; i < 100; ++i) {
    const std::string record = Framed(1, AvroRecord(i, "a"));
    file += Delimited(record);
  }
  SourceCase options = {.path = "x.pb",
                        .fields = {{"account", TypeKind::kString}},
                        .formats = {format},
                        .schema_wait = 100ms};
  const std::vector<std::string> failed = ReadRows(options, file);
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].find("x.pb: still waiting for schema 1 of " + server.url()) == 0);
  std::thread later([&] {
    std::this_thread::sleep_for(100ms);
    server.SetSchema(1, "AVRO", AvroEvent(1));
  });
  options.schema_wait = 20s;
  const std::vector<std::string> rows = ReadRows(options, file);
  later.join();
  REQUIRE(rows.size() == 100);
  CHECK(rows[99] == "99@99: 'a'");
}

}  // namespace
}  // namespace vigil::ingest
