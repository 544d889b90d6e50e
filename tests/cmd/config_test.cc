// `-c vigil.yaml`: what replay takes from it, which options win, and how check judges it.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/process.h"

namespace vigil {
namespace {

using testing::ProcessResult;
using testing::RunProcess;
using testing::TempDir;
using testing::VigilBinary;

constexpr char kRules[] = R"(version: 1
rules:
  - rule: seen
    key: account
    pattern:
      - begin: one
        where: amount > 0.0
    alert: { to: [OUTPUT] }
)";

std::string RulesTo(const std::string& output) {
  std::string text = kRules;
  return text.replace(text.find("OUTPUT"), 6, output);
}

// Times in seconds, in `at`; the second record is 3 s late.
constexpr char kEvents[] =
    "{\"at\":100,\"account\":\"a\",\"amount\":1.0}\n"
    "{\"at\":97,\"account\":\"a\",\"amount\":1.0}\n";

struct Files {
  explicit Files(const std::string& config, const std::string& output = "alerts") {
    dir.Write("vigil.yaml", config);
    dir.Write("rules.yaml", RulesTo(output));
    dir.Write("schema.yaml", "fields: {at: int, account: string, amount: double}\n");
    dir.Write("events.jsonl", kEvents);
  }

  ProcessResult Vigil(const std::string& command, const std::vector<std::string>& more) const {
    std::vector<std::string> argv = {VigilBinary(), command, "-c", dir.Path("vigil.yaml")};
    argv.insert(argv.end(), more.begin(), more.end());
    return RunProcess(argv);
  }
  ProcessResult Replay(std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"-o", "-", dir.Path("events.jsonl")});
    return Vigil("replay", more);
  }

  TempDir dir;
};

std::string Source(const std::string& name, const std::string& more) {
  return "  " + name + ": { kafka: { brokers: \"b:9092\", topics: [t] }, " + more + " }\n";
}

const std::string kBase = "rules: [rules.yaml]\nschema: schema.yaml\n";
const std::string kTime = "event_time: { field: at, unit: s }";

size_t CountLines(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST_CASE("Replay -c: rules, schema, time and bound come from the configuration", "[cmd]") {
  const Files wide(kBase + "shards: 2\nsources:\n" +
                   Source("s", kTime + ", watermark: { bounded: 3s }"));
  const ProcessResult run = wide.Replay();
  INFO(run.err);
  CHECK(run.exit_code == 0);
  CHECK(CountLines(run.out, "\"kind\":\"match\"") == 2);
  CHECK(run.out.find("\"at\":97000") != std::string::npos);
  CHECK(run.err.find("inferred") == std::string::npos);

  const Files narrow(kBase + "sources:\n" +
                     Source("s", kTime + ", watermark: { monotonic: true }"));
  CHECK(CountLines(narrow.Replay().out, "\"kind\":\"late\"") == 1);
}

TEST_CASE("Replay -c: an option that is given wins", "[cmd]") {
  const Files files(kBase + "sources:\n" +
                    Source("s", "event_time: { field: x, unit: us }, watermark: { bounded: 1h }"));
  const ProcessResult run =
      files.Replay({"--time-field", "at", "--time-unit", "s", "--disorder", "1s", "--shards", "1"});
  INFO(run.err);
  CHECK(run.exit_code == 0);
  CHECK(CountLines(run.out, "\"kind\":\"late\"") == 1);
  CHECK(run.out.find("\"at\":100000") != std::string::npos);
  // Without them every record lacks its time.
  CHECK(CountLines(files.Replay().out, "\"kind\":\"error\"") == 2);
}

TEST_CASE("Replay -c: -r adds rules, any output name is fine", "[cmd]") {
  const Files files(kBase + "sources:\n" + Source("s", kTime + ", watermark: { bounded: 3s }"),
                    "nowhere");
  std::string more = RulesTo("alerts");
  more.replace(more.find("seen"), 4, "also");
  const ProcessResult run = files.Replay({"-r", files.dir.Write("more.yaml", more)});
  INFO(run.err);
  CHECK(run.exit_code == 0);
  CHECK(CountLines(run.out, "\"rule\":\"also\"") == 2);
  CHECK(CountLines(run.out, "\"output\":\"nowhere\"") == 2);
}

TEST_CASE("Replay -c: of several sources none stands for the inputs", "[cmd]") {
  const Files files(kBase + "sources:\n" + Source("s", kTime) + Source("t", kTime));
  CHECK(CountLines(files.Replay().out, "\"kind\":\"error\"") == 2);
  CHECK(CountLines(files.Replay({"--time-field", "at"}).out, "\"kind\":\"late\"") == 1);
}

TEST_CASE("Replay -c: with --positions a record has its source's bound", "[cmd]") {
  const Files files(kBase + "sources:\n" + Source("wide", "watermark: { bounded: 1s }") +
                    Source("exact", "watermark: { bounded: 0s }"));
  std::string events;
  for (const std::string source : {"wide", "exact", "other"}) {
    for (const int ts : {2000, 1500}) {
      events +=
          "{\"ts\":" + std::to_string(ts) + ",\"account\":\"a\",\"amount\":1.0,\"_source\":\"" +
          source +
          "\",\"_topic\":\"t\",\"_partition\":0,\"_offset\":" + std::to_string(ts == 2000 ? 0 : 1) +
          "}\n";
    }
  }
  files.dir.Write("events.jsonl", events);
  const ProcessResult own = files.Replay({"--positions"});
  INFO(own.err);
  CHECK(own.exit_code == 0);
  CHECK(CountLines(own.out, "\"kind\":\"late\"") == 2);
  CHECK(own.out.find("\"wide/t/0/1\"") != std::string::npos);
  CHECK(CountLines(files.Replay({"--positions", "--disorder", "1s"}).out, "\"kind\":\"late\"") ==
        0);
}

TEST_CASE("Replay -c: what a replay cannot do is said", "[cmd]") {
  const Files files(kBase + "sources:\n" + Source("s", "event_time: processing"));
  const ProcessResult run = files.Replay();
  CHECK(run.exit_code == 2);
  CHECK(run.err.find("the event time of the source s is that of Kafka or the clock") !=
        std::string::npos);
  CHECK(files.Replay({"--time-field", "at"}).exit_code == 0);
}

TEST_CASE("Replay -c: time, watermark and id may be expressions", "[cmd]") {
  const Files files(kBase + "sources:\n" +
                    Source("s",
                           "event_time: { cel: sec * 1000 }, "
                           "watermark: { punctuated: amount > 5.0 }, id: tx"));
  files.dir.Write("schema.yaml",
                  "fields: { sec: int, tx: string, account: string, amount: double }\n");
  files.dir.Write("events.jsonl",
                  R"({"sec":5,"account":"a","amount":1.0,"tx":"t1"}
{"sec":3,"account":"b","amount":9.0,"tx":"t2"}
{"sec":2,"account":"c","amount":1.0,"tx":"t3"}
{"sec":3,"account":"d","amount":1.0}
{"account":"e","amount":1.0,"tx":"t5"}
)");
  const ProcessResult run = files.Replay();
  INFO(run.err);
  INFO(run.out);
  REQUIRE(run.exit_code == 0);
  // The first event moves no time, the second to 2999.
  CHECK(CountLines(run.out, "\"kind\":\"late\"") == 1);
  CHECK(CountLines(run.out, "no event time: `sec * 1000`") == 1);
  CHECK(CountLines(run.out, "\"kind\":\"match\"") == 3);
  CHECK(run.out.find("\"at\":5000") != std::string::npos);
  CHECK(CountLines(run.out, "\"ids\":") == 2);
  CHECK(CountLines(run.out, "[\"t2\"]}") == 1);
  // A bound that is given counts, and positions where an event has no id.
  CHECK(CountLines(files.Replay({"--disorder", "1s"}).out, "\"kind\":\"late\"") == 3);
  const std::string before = run.out;
  const std::string events = testing::ReadFile(files.dir.Path("events.jsonl"));
  files.dir.Write("events.jsonl", "{\"sec\":1,\"account\":\"z\",\"amount\":1.0}\n" + events);
  const std::string after = files.Replay().out;
  const auto id_of = [](const std::string& text, const std::string& account) {
    const size_t at = text.find("\"key\":{\"account\":\"" + account + "\"}");
    REQUIRE(at != std::string::npos);
    const size_t line = text.rfind('\n', at) + 1;
    return text.substr(text.find("\"id\":\"", line), 40);
  };
  CHECK(id_of(before, "a") == id_of(after, "a"));
  CHECK(id_of(before, "d") != id_of(after, "d"));
}

TEST_CASE("Check -c: expressions of sources are checked against the schema", "[cmd]") {
  const auto [source, says] = GENERATE(table<std::string, std::string>({
      {"event_time: { cel: amout * 2.0 }", "    event_time: { cel: amout * 2.0 }\n"},
      {"id: amout", "did you mean `amount`?"},
      {"event_time: { cel: account }",
       "`event_time` is a number of milliseconds or a timestamp, this is string"},
      {"watermark: { punctuated: amount }", "`punctuated` is a condition, this is double"},
      {"id: amount", "`id` is a text, bytes, an int or a bool, this is double"},
      {"id: kafka.key", "unknown field `kafka`"},
  }));
  const Files files(kBase + "sources:\n  s:\n    file: x.jsonl\n    " + source + "\n");
  files.dir.Write("schema.yaml", "fields: { ts: int, account: string, amount: double }\n");
  const ProcessResult run =
      RunProcess({testing::VigilBinary(), "check", "-c", files.dir.Path("vigil.yaml")});
  INFO(run.err);
  CHECK(run.exit_code == 2);
  CHECK(run.err.find(says) != std::string::npos);
  CHECK(run.err.find("^") != std::string::npos);
  CHECK(RunProcess({testing::VigilBinary(), "run", "-c", files.dir.Path("vigil.yaml")}).exit_code ==
        2);
}

TEST_CASE("Replay -c: a bad configuration is refused as a whole", "[cmd]") {
  const Files bad(kBase + "shard: 2\nhttp: { listen: x }\n");
  const ProcessResult run = bad.Replay();
  CHECK(run.exit_code == 2);
  CHECK(run.err.find("error[V0101]: unknown key `shard`") != std::string::npos);
  CHECK(run.err.find("error[V0120]") != std::string::npos);
  CHECK(Files("shards: 2\n").Replay().exit_code == 2);
}

TEST_CASE("Check -c: configuration, schema and rules together", "[cmd]") {
  struct Case {
    std::string config;
    std::string output;
    int exit_code;
    std::string says;
  };
  const std::string outputs = "outputs: { cases: [{ stdout: {} }] }\n";
  const auto c = GENERATE_COPY(values<Case>({
      {kBase, "audit", 0, "1 rule, 0 errors, 0 warnings"},
      {kBase + outputs, "cases", 0, "1 rule, 0 errors, 0 warnings"},
      {kBase + outputs, "case", 1, "error[V0118]: the configuration defines no output `case`"},
      {kBase + outputs, "case", 1, "^^^^ did you mean `cases`?"},
      {kBase + "shards: no\n", "nowhere", 2, "1 rule, 2 errors, 0 warnings"},
      {"shards: [\n", "alerts", 2, "error[V0004]"},
      {"rules: [none.yaml]\n", "alerts", 2, "there is no such file or folder"},
      {"name: x\n", "alerts", 0, "0 rules, 0 errors, 0 warnings"},
  }));
  const Files files(c.config, c.output);
  const ProcessResult run = files.Vigil("check", {});
  INFO(run.err);
  CHECK(run.exit_code == c.exit_code);
  CHECK(run.err.find(c.says) != std::string::npos);
}

TEST_CASE("Check -c: JSON holds the diagnostics of all files", "[cmd]") {
  const Files files(kBase + "shards: no\n", "nowhere");
  const ProcessResult run = files.Vigil("check", {"--format", "json"});
  CHECK(run.exit_code == 2);
  CHECK(run.out.find("V0107") < run.out.find("V0118"));
  CHECK(run.out.find("V0118") != std::string::npos);
}

TEST_CASE("Replay and check: rules or a configuration are needed", "[cmd]") {
  const Files files("");
  CHECK(RunProcess({VigilBinary(), "replay", files.dir.Path("events.jsonl")}).exit_code == 2);
  const ProcessResult check = RunProcess({VigilBinary(), "check"});
  CHECK(check.exit_code == 2);
  CHECK(check.err.find("--rules is required") != std::string::npos);
}

}  // namespace
}  // namespace vigil
