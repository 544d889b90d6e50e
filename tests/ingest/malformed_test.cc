// Records that are not valid: 24 kinds in each format. Each is quarantined with its place and
// reason, and none of its neighbours is lost; in a replay, and through a live source.
#include <catch2/catch.hpp>

#include "ingest/codec_avro_schema.h"
#include "ingest/source_tail.h"
#include "tests/ingest/avro_support.h"
#include "tests/ingest/live_support.h"
#include "tests/ingest/protobuf_support.h"
#include "tests/ingest/support.h"
#include "tests/support/process.h"

namespace vigil::ingest {
namespace {

using cep::Type;
using cep::TypeKind;

constexpr size_t kKinds = 24;

struct Kind {
  std::string record;
  std::string why;
};

const Fields& AllFields() {
  static const Fields fields = {{"account", TypeKind::kString},
                                {"amount", TypeKind::kDouble},
                                {"count", TypeKind::kInt},
                                {"ok", TypeKind::kBool},
                                {"tags", Type::List(TypeKind::kString)},
                                {"at", TypeKind::kTimestamp}};
  return fields;
}

std::string WithoutNumber(const std::string& row) {
  return row.substr(row.find_first_not_of("0123456789"));
}

// A live source reads the same: rows, places within records and reasons; its offsets are bytes.
void CheckLive(const SourceCase& source, const std::string& text,
               const std::vector<std::string>& rows) {
  const testing::TempDir dir;
  dir.Write("x", text);
  const SystemClock clock;
  SilentLog log;
  TailSourceOptions options;
  options.source.name = "s";
  options.source.clock = &clock;
  options.source.codec = CodecFor(source.fields, source.formats);
  options.source.codec.options.strict = source.strict;
  options.split.has_header = source.path == "x.csv";
  if (options.split.has_header) options.source.header = QueuedSourceOptions::Header::kCsv;
  const std::vector<Format> formats =
      source.formats.empty() ? std::vector<Format>(1) : source.formats;
  options.source.codec.codec = MakeCodec(formats, options.source.codec.options).value();
  if (!source.formats.empty()) options.split.framing = Framing::kDelimited;
  options.folder = dir.Path(".");
  options.paths = {"x"};
  options.stop_at_end = true;
  const auto layout = options.source.codec.options.layout;
  LiveReader reader(TailSource::Create(std::move(options), &log).value(), layout);
  REQUIRE(reader.Until([&] { return reader.source().has_ended(); }));
  REQUIRE(reader.rows.size() == rows.size());
  const std::string place = "s/x/0 ";
  for (size_t i = 0; i < rows.size(); ++i) {
    REQUIRE(reader.rows[i].find(place) == 0);
    CHECK(WithoutNumber(reader.rows[i].substr(place.size())) == WithoutNumber(rows[i]));
  }
}

// Reads good, bad, good, bad, ... good, all kinds between good records, and checks each.
template <typename Frame>
void CheckKinds(SourceCase source, const std::string& head, const std::string& good,
                const std::string& good_row, const std::vector<Kind>& kinds, const Frame& frame) {
  REQUIRE(kinds.size() == kKinds);
  source.fields = AllFields();
  source.strict_types = true;
  source.strict = true;
  std::string text = head + frame(good);
  for (const Kind& kind : kinds) text += frame(kind.record) + frame(good);
  const std::vector<std::string> rows = ReadRows(source, text);
  REQUIRE(rows.size() == 2 * kKinds + 1);
  for (size_t i = 0; i < kKinds; ++i) {
    INFO("kind " << i << " of " << source.path << ": " << kinds[i].why);
    CHECK(rows[2 * i] == std::to_string(2 * i) + good_row);
    const std::string& bad = rows[2 * i + 1];
    CHECK(bad.find(std::to_string(2 * i + 1) + " rejected: ") == 0);
    INFO(bad);
    CHECK(bad.find(kinds[i].why) != std::string::npos);
  }
  CHECK(rows.back() == std::to_string(2 * kKinds) + good_row);
  CheckLive(source, text, rows);
}

TEST_CASE("Malformed records: JSON", "[ingest][unit]") {
  const auto with = [](const std::string& field) { return R"({"ts":1,)" + field + "}"; };
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += "[";
  const std::vector<Kind> kinds = {
      {"nonsense", "not a JSON object"},
      {"[]", "not a JSON object"},
      {"5", "not a JSON object"},
      {"{", "not a JSON object"},
      {R"({"ts":1)", "not a JSON object"},
      {R"({"ts":1}})", "unexpected content after the object"},
      {R"({"ts":1}{"ts":2})", "unexpected content after the object"},
      {with(R"("account":"open)"), "unclosed string"},
      {with("\"account\":\"\xff\""), "invalid UTF-8"},
      {with("\"account\":\"\xed\xa0\x80\""), "invalid UTF-8"},
      {with("\"account\":\"a\tb\""), "not a JSON object"},
      {with(R"("account":"\q")"), "not a JSON object"},
      {with(R"("account":"\ud800")"), "not a JSON object"},
      {with(R"("amount":01)"), "not a JSON object"},
      {with(R"("amount":1e)"), "not a JSON object"},
      {with(R"("amount":NaN)"), "not a JSON object"},
      {with(R"("amount":1e999)"), "field `amount`: expected double"},
      {with(R"("amount":"5")"), "field `amount`: expected double, found string"},
      {with(R"("count":1.5)"), "field `count`: expected int, found double"},
      {with(R"("count":9223372036854775808)"), "field `count`: expected int"},
      {with(R"("tags":["a",1])"), "field `tags`: expected list(string), found number"},
      {with("\"tags\":" + deep), "not a JSON object"},
      {R"({"account":"a"})", "no event time: no field `ts`"},
      {R"({"ts":"yesterday"})", "no event time: field `ts`"},
  };
  CheckKinds({.path = "x.jsonl"}, "",
             R"({"ts":1,"account":"a","amount":2,"count":3,"ok":true,"tags":["t"],"at":4})",
             "@1: 'a' 2d 3 true ['t'] timestamp(0s 4000000ns)", kinds,
             [](const std::string& record) { return record + "\n"; });
}

TEST_CASE("Malformed records: CSV", "[ingest][unit]") {
  const std::vector<Kind> kinds = {
      {"1,a,2,3,true,[]", "6 cells, but the header names 7"},
      {"1,a,2,3,true,[],4,5", "8 cells, but the header names 7"},
      {"1", "1 cells, but the header names 7"},
      {",,,,,", "6 cells, but the header names 7"},
      {"1,\"a,2,3,true,[],4", "not a line of CSV"},
      {"1,\"a\"b,2,3,true,[],4", "not a line of CSV"},
      {"1,a\"b,2,3,true,[],4", "not a line of CSV"},
      {"1,\xff,2,3,true,[],4", "not a line of CSV"},
      {"1,\xed\xa0\x80,2,3,true,[],4", "not a line of CSV"},
      {"1,a,x,3,true,[],4", "field `amount`: expected double, found `x`"},
      {"1,a,1e999,3,true,[],4", "field `amount`: expected double, found `1e999`"},
      {"1,a,0x10,3,true,[],4", "field `amount`: expected double, found `0x10`"},
      {"1,a,NaN,3,true,[],4", "field `amount`: expected double, found `NaN`"},
      {"1,a,2,1.5,true,[],4", "field `count`: expected int, found `1.5`"},
      {"1,a,2,9223372036854775808,true,[],4", "field `count`: expected int"},
      {"1,a,2, 3,true,[],4", "field `count`: expected int, found ` 3`"},
      {"1,a,2,3,maybe,[],4", "field `ok`: expected bool, found `maybe`"},
      {"1,a,2,3,1,[],4", "field `ok`: expected bool, found `1`"},
      {"1,a,2,3,true,{},4", "field `tags`: expected list(string)"},
      {"1,a,2,3,true,[1],4", "field `tags`: expected list(string)"},
      {"1,a,2,3,true,[],noon", "field `at`: expected timestamp, found `noon`"},
      {",a,2,3,true,[],4", "no event time"},
      {"soon,a,2,3,true,[],4", "no event time: field `ts`"},
      {"99999999999999999999,a,2,3,true,[],4", "no event time: field `ts`"},
  };
  CheckKinds({.path = "x.csv"}, "ts,account,amount,count,ok,tags,at\n",
             R"(1,a,2,3,true,"[""t""]",4)", "@1: 'a' 2d 3 true ['t'] timestamp(0s 4000000ns)",
             kinds, [](const std::string& record) { return record + "\n"; });
}

TEST_CASE("Malformed records: Protobuf", "[ingest][unit]") {
  ProtoFile file(R"(
syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Inner { string note = 1; Inner next = 2; }
message Event {
  optional int64 ts = 1; string account = 2; double amount = 3; uint64 count = 4; bool ok = 5;
  repeated string tags = 6; google.protobuf.Timestamp at = 7; Inner inner = 8;
  repeated int32 packed = 9; map<string, int32> map = 10;
}
)");
  const std::string ts = Varint(1 << 3) + Varint(1);
  const auto tag = [](int number, int wire) {
    return Varint(static_cast<uint64_t>(number) << 3 | static_cast<uint64_t>(wire));
  };
  std::string deep;
  for (int i = 0; i < 120; ++i) deep = tag(2, 2) + Delimited(deep);
  const std::string nanos = tag(2, 0) + Varint(1'000'000'000);
  const std::vector<Kind> kinds = {
      {ts + "\x80", "malformed tag"},
      {ts + std::string(5, '\xff') + "\x7f", "malformed tag"},
      {ts + tag(0, 0) + "\1", "a tag with field number 0"},
      {ts + tag(2, 6), "a tag with an unknown wire type"},
      {ts + tag(2, 7), "a tag with an unknown wire type"},
      {ts + tag(2, 2) + "\x05" + "ab", "field `account` (2): a length beyond the end"},
      {ts + tag(2, 2) + std::string(9, '\xff') + "\1", "a length beyond the end"},
      {ts + tag(2, 2) + Delimited("\xff"), "field `account` (2): invalid UTF-8"},
      {ts + tag(2, 2) + Delimited("\xc0\xaf"), "field `account` (2): invalid UTF-8"},
      {ts + tag(2, 0) + "\1", "field `account` (2): its wire type is another one"},
      {ts + tag(3, 2) + Delimited("12345678"), "field `amount` (3): its wire type is another one"},
      {ts + tag(3, 1) + "1234567", "field `amount` (3): cut short"},
      {ts + tag(4, 0) + std::string(10, '\xff') + "\1", "field `count` (4): malformed varint"},
      {ts + tag(4, 0) + "\x80", "field `count` (4): malformed varint"},
      {ts + tag(4, 0) + std::string(9, '\xff') + "\1",
       "field `count`: expected int, found integer out of range"},
      {ts + tag(6, 2) + Delimited("\xff"), "field `tags` (6): invalid UTF-8"},
      {ts + tag(7, 2) + Delimited(nanos), "a timestamp outside the years 0001 to 9999"},
      {ts + tag(8, 2) + Delimited(tag(1, 2) + "\x09"), "field `note` (1): a length beyond the end"},
      {ts + tag(8, 2) + Delimited(deep), "nested more than 100 levels deep"},
      {ts + tag(9, 2) + Delimited("\x80"), "field `packed` (9): malformed varint"},
      {ts + tag(10, 2) + Delimited(tag(1, 2) + Delimited("\xff")), "invalid UTF-8"},
      {ts + tag(50, 3) + tag(51, 4), "the end of another group"},
      {ts + tag(50, 4), "the end of a group that was not begun"},
      {tag(2, 2) + Delimited("a"), "no event time: no field `ts`"},
  };
  CheckKinds({.path = "x.pb",
              .formats = {{.kind = Format::Kind::kProtobuf,
                           .descriptors = file.descriptors(),
                           .message = "Event"}}},
             "",
             file.Encode("Event", R"({"ts": 1, "account": "a", "amount": 2, "count": 3, "ok": true,
                                      "tags": ["t"], "at": "1970-01-01T00:00:00.004Z"})"),
             "@1: 'a' 2d 3 true ['t'] timestamp(0s 4000000ns)", kinds,
             [](const std::string& record) { return Delimited(record); });
}

TEST_CASE("Malformed records: Avro", "[ingest][unit]") {
  const auto schema = AvroSchema::Parse(R"({"type": "record", "name": "Event", "fields": [
      {"name": "ts", "type": ["null", "long"]},
      {"name": "account", "type": "string"}, {"name": "amount", "type": ["null", "double"]},
      {"name": "count", "type": ["int", "long", "double"]}, {"name": "ok", "type": "boolean"},
      {"name": "tags", "type": {"type": "array", "items": "string"}},
      {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
      {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A"]}},
      {"name": "hash", "type": {"type": "fixed", "name": "H", "size": 2}},
      {"name": "more", "type": {"type": "map", "values": "null"}},
      {"name": "up", "type": ["null", {"type": "record", "name": "Up",
        "fields": [{"name": "up", "type": ["null", "Up"]}]}]}]})");
  REQUIRE(schema.ok());
  const std::string ts = AvroLong(1) + AvroLong(1);
  const std::string head = ts + AvroText("a") + AvroLong(1) + AvroRaw(2.0) + AvroLong(0);
  const std::string count = AvroLong(3);
  const std::string tags = AvroLong(1) + AvroText("t") + AvroLong(0);
  const std::string at = AvroLong(4);
  const std::string tail = AvroLong(0) + "hh" + AvroLong(0) + AvroLong(0);
  const std::string until_tags = head + count + "\1";
  const std::string until_kind = until_tags + tags + at;
  const std::string good = until_kind + tail;
  const std::vector<Kind> kinds = {
      {"", "field `ts`: malformed branch"},
      {std::string(1, '\x80'), "field `ts`: malformed branch"},
      {AvroLong(2) + good.substr(1), "field `ts`: a branch that the union does not have"},
      {AvroLong(-1) + good.substr(1), "field `ts`: a branch that the union does not have"},
      {AvroLong(1) + std::string(11, '\xff'), "field `ts`: malformed long"},
      {AvroLong(0) + good.substr(2), "no event time: field `ts`"},
      {AvroLong(1) + AvroLong(INT64_MAX) + good.substr(2), "no event time: field `ts`: outside"},
      {ts + AvroLong(500) + "a", "field `account`: a length beyond the end"},
      {ts + AvroLong(-5), "field `account`: a length beyond the end"},
      {ts + AvroText("\xff") + good.substr(4), "field `account`: invalid UTF-8"},
      {ts + AvroText("a") + AvroLong(1) + "1234567", "field `amount`: cut short"},
      {ts + AvroText("a") + AvroLong(2), "field `amount`: a branch"},
      {head + AvroLong(int64_t{1} << 31), "field `count`: an int beyond 32 bits"},
      {ts + AvroText("a") + AvroLong(0) + AvroLong(2) + AvroRaw(1.5) + "\1" + tags + at + tail,
       "field `count`: expected int, found double"},
      {head + count + "\2" + tags + at + tail, "field `ok`: a boolean that is neither"},
      {until_tags + AvroLong(int64_t{1} << 40), "field `tags`: a count beyond the end"},
      {until_tags + AvroLong(-1) + AvroLong(1 << 20), "field `tags`: a block's length beyond"},
      {until_tags + AvroLong(1) + AvroText("\xff") + AvroLong(0) + at + tail,
       "field `tags`: invalid UTF-8"},
      {until_tags + tags + AvroLong(INT64_MAX) + tail, "field `at`: a time outside the years"},
      {until_kind + AvroLong(1) + tail.substr(1), "field `kind`: a symbol that the enum"},
      {until_kind + AvroLong(0) + "h", "field `hash`: cut short"},
      {until_kind + AvroLong(0) + "hh" + AvroLong(1) + AvroText("\xff") + AvroLong(0) + AvroLong(0),
       "field `more`: invalid UTF-8"},
      {until_kind + AvroLong(0) + "hh" + AvroLong(0) + std::string(200, '\2'),
       "nested more than 64 levels deep"},
      {good + "x", "bytes behind the end of the record"},
  };
  Format format{.kind = Format::Kind::kAvro};
  format.writer = *schema;
  CheckKinds({.path = "x.pb", .formats = {format}}, "", good,
             "@1: 'a' 2d 3 true ['t'] timestamp(0s 4000000ns)", kinds,
             [](const std::string& record) { return Delimited(record); });
}

}  // namespace
}  // namespace vigil::ingest
