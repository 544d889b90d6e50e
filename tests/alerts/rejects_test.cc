// Late and rejected records as lines.

#include "alerts/rejects.h"

#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "tests/alerts/fakes.h"

namespace vigil::alerts {
namespace {

using cep::Record;

const cep::Partition kKafka{"tx", "payments", 3, "tx/payments/3"};

// Takes what starts with `{` for an object.
class FakeRenderer : public cep::RecordRenderer {
 public:
  bool AppendJson(std::string_view raw, std::string* out, std::string* why) const override {
    if (raw.substr(0, 1) != "{") {
      *why = "no object";
      return false;
    }
    out->append(raw);
    return true;
  }
};

Record Late(std::string_view raw, const cep::Partition& partition, Format format = Format::kJson) {
  static const FakeRenderer kRenderer;
  cep::Batch batch(std::make_shared<cep::Layout>());
  batch.rows = 1;
  batch.ts[0] = 1000;
  batch.offsets = {7};
  batch.partitions = {&partition};
  batch.raw = {raw};
  batch.renderer = &kRenderer;
  auto context = ContextOf({});
  context->format = format;
  return Rejects(context).RenderLate(batch, 0, 1200);
}

Record Reject(std::string bytes, const cep::Partition& partition, Format format = Format::kJson) {
  auto context = ContextOf({});
  context->format = format;
  cep::Rejected rejected;
  rejected.partition = &partition;
  rejected.offset = 7;
  rejected.reason = "at byte 1: not JSON";
  rejected.bytes = std::move(bytes);
  return Rejects(context).RenderRejected(rejected, 1200);
}

}  // namespace

TEST_CASE("Rejects: late records", "[alerts][unit]") {
  const Record record = Late(R"({"a": 1})", TestPartition());
  CHECK(record.kind == cep::RecordKind::kLate);
  CHECK_FALSE(record.has_rule);
  CHECK(record.head + "late" + record.tail ==
        R"({"output":"late","kind":"late","place":"in.jsonl/7","watermark":1200,"at":1000,)"
        R"("reason":"its time 1000 is not after its partition's watermark 1200",)"
        R"("event":{"a": 1}})");
  CHECK(Late("not \"an\" object", kKafka)
            .tail.find(R"("event":"not \"an\" object","_source":"tx","_topic":"payments",)"
                       R"("_partition":3,"_offset":7})") != std::string::npos);
}

TEST_CASE("Rejects: records that are no events", "[alerts][unit]") {
  const Record record = Reject("{x", TestPartition());
  CHECK(record.kind == cep::RecordKind::kError);
  CHECK_FALSE(record.has_rule);
  CHECK(record.head + "errors" + record.tail ==
        R"({"output":"errors","kind":"error","place":"in.jsonl/7",)"
        R"("reason":"at byte 1: not JSON","bytes":"{x"})");
  CHECK(Reject("a\xff", kKafka)
            .tail.find("\"bytes\":\"a\uFFFD\",\"bytes_base64\":\"Yf8=\",\"_source\":\"tx\"") !=
        std::string::npos);
}

TEST_CASE("Rejects: readable text", "[alerts][unit]") {
  CHECK(Late("{\"a\":1}", TestPartition(), Format::kText).head ==
        "late    in.jsonl/7: its time 1000 is not after its partition's watermark 1200  {\"a\":1}");
  CHECK(Reject("\x1b[2J", TestPartition(), Format::kText).head ==
        "error   in.jsonl/7: at byte 1: not JSON  \\u001b[2J");
}

}  // namespace vigil::alerts
