// `vigil replay`, `check` and configurations over Protobuf and Avro inputs.
#include <catch2/catch.hpp>

#include "tests/ingest/avro_support.h"
#include "tests/ingest/protobuf_support.h"
#include "tests/support/process.h"
#include "tests/support/schema_registry.h"

namespace vigil {
namespace {

using ingest::AvroLong;
using ingest::AvroRaw;
using ingest::AvroText;
using ingest::Delimited;
using testing::ProcessResult;
using testing::ReadFile;
using testing::RunProcess;
using testing::TempDir;
using testing::VigilBinary;

constexpr char kRules[] = R"(version: 1
rules:
  - rule: pair
    key: account
    pattern:
      - begin: a
        where: amount > 50.0
      - next: b
        where: amount < a.amount
    within: 5s
)";
constexpr char kSchema[] = R"({"type": "record", "name": "E", "fields": [
    {"name": "ts", "type": "long"}, {"name": "account", "type": "string"},
    {"name": "amount", "type": "double"}]})";
constexpr char kProto[] =
    "syntax = \"proto3\"; package t; message E { int64 ts = 1; string account = 2; double amount = "
    "3; }";

struct Event {
  int ts;
  const char* account;
  double amount;
};
constexpr Event kEvents[] = {{1000, "a", 60}, {2000, "b", 70}, {3000, "a", 40}, {4000, "b", 80}};

std::string AvroRecord(const Event& event) {
  return AvroLong(event.ts) + AvroText(event.account) + AvroRaw(event.amount);
}

struct Files {
  Files() {
    const std::string sync(16, 's');
    std::string jsonl;
    std::string block;
    std::string pb;
    for (const Event& e : kEvents) {
      const std::string json = "{\"ts\":" + std::to_string(e.ts) + ",\"account\":\"" + e.account +
                               "\",\"amount\":" + std::to_string(e.amount) + "}";
      jsonl += json + "\n";
      pb += Delimited(proto.Encode("t.E", json));
      block += AvroRecord(e);
    }
    dir.Write("rules.yaml", kRules);
    dir.Write("e.avsc", kSchema);
    dir.Write("e.desc", proto.bytes());
    dir.Write("x.jsonl", jsonl);
    dir.Write("x.pb", pb);
    dir.Write("x.avro",
              ingest::AvroHeader(kSchema, "null", sync) + AvroLong(4) + AvroText(block) + sync);
  }

  // The alerts of a replay, without the input's name, which positions and ids hold.
  std::string Alerts(std::vector<std::string> arguments, const std::string& input) const {
    std::vector<std::string> argv = {VigilBinary(), "replay", "-r", dir.Path("rules.yaml")};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    argv.insert(argv.end(), {"-o", dir.Path("out.jsonl"), dir.Path(input)});
    const ProcessResult run = RunProcess(argv);
    INFO(run.err);
    CHECK(run.exit_code == 0);
    const std::string out = ReadFile(dir.Path("out.jsonl"));
    const size_t events = out.find("\"events\":");
    return events == std::string::npos ? out
                                       : out.substr(events, out.find("\"positions\"") - events);
  }

  ingest::ProtoFile proto{kProto};
  TempDir dir;
};

constexpr char kAlert[] =
    R"("events":{"a":[{"ts":1000,"account":"a","amount":60}],"b":[{"ts":3000,"account":"a","amount":40}]},)";

TEST_CASE("replay: Avro and Protobuf inputs raise the alerts of JSON", "[cmd]") {
  const Files files;
  const std::string desc = files.dir.Path("e.desc") + "#t.E";
  CHECK(files.Alerts({}, "x.avro") == kAlert);
  CHECK(files.Alerts({"--schema", files.dir.Path("e.avsc")}, "x.avro") == kAlert);
  CHECK(files.Alerts({"--schema", desc}, "x.pb") == kAlert);
  CHECK(files.Alerts({"--schema", files.dir.Path("e.desc"), "--strict"}, "x.pb") == kAlert);
  CHECK(files.Alerts({"--schema", desc}, "x.avro") == kAlert);
  files.dir.Write("vigil.yaml",
                  "sources: { s: { file: x.pb, format: [{ avro: { schema: e.avsc } }, "
                  "{ protobuf: { descriptors: e.desc, message: t.E } }] } }\n");
  CHECK(files.Alerts({"-c", files.dir.Path("vigil.yaml")}, "x.pb") == kAlert);
}

TEST_CASE("replay: schemas and records of a registry", "[cmd]") {
  const Files files;
  testing::FakeRegistry registry;
  registry.SetSchema(7, "AVRO", kSchema);
  registry.Set("/subjects/e/versions/latest", 200,
               "{\"schema\":" + testing::QuoteJson(kSchema) + "}");
  std::string records;
  for (const Event& e : kEvents) {
    records += Delimited(std::string("\0\0\0\0\7", 5) + AvroRecord(e));
  }
  files.dir.Write("framed.pb", records);
  files.dir.Write("vigil.yaml",
                  "schema: " + registry.url() + "/subjects/e/versions/latest\n" +
                      "sources: { s: { file: framed.pb, format: { avro: { registry: \"" +
                      registry.url() + "\" } } } }\n");
  CHECK(files.Alerts({"-c", files.dir.Path("vigil.yaml")}, "framed.pb") == kAlert);
  const ProcessResult check =
      RunProcess({VigilBinary(), "check", "-c", files.dir.Path("vigil.yaml"), "-r",
                  files.dir.Path("rules.yaml")});
  INFO(check.out << check.err);
  CHECK(check.exit_code == 0);
}

TEST_CASE("check: descriptors and schemas that cannot be used", "[cmd]") {
  const Files files;
  const auto check = [&](const std::vector<std::string>& arguments) {
    std::vector<std::string> argv = {VigilBinary(), "check", "-r", files.dir.Path("rules.yaml")};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const ProcessResult run = RunProcess(argv);
    CHECK(run.exit_code != 0);
    return run.out + run.err;
  };
  CHECK(check({"--schema", files.dir.Path("e.desc") + "#t.X"}).find("no message `t.X`") !=
        std::string::npos);
  CHECK(check({"--schema", files.dir.Path("none.avsc")}).find("cannot be opened") !=
        std::string::npos);
  CHECK(check({"--schema", "http://127.0.0.1:1/subjects/e/versions/1"}).find("connect: ") !=
        std::string::npos);
  files.dir.Write(
      "vigil.yaml",
      "sources: { s: { file: x.pb, format: { protobuf: { descriptors: no.desc } } } }\n");
  CHECK(check({"-c", files.dir.Path("vigil.yaml")}).find("no.desc: cannot be opened") !=
        std::string::npos);
}

TEST_CASE("replay: a `.pb` input needs to be told what it holds", "[cmd]") {
  const Files files;
  const ProcessResult run = RunProcess(
      {VigilBinary(), "replay", "-r", files.dir.Path("rules.yaml"), files.dir.Path("x.pb")});
  CHECK(run.exit_code == 2);
  CHECK(run.err.find("which message its records are is not known") != std::string::npos);
}

}  // namespace
}  // namespace vigil
