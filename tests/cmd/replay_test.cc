// `vigil replay` as its users see it: streams, options, exit codes, and output that does not depend
// on shards.
#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "tests/support/process.h"

namespace vigil {
namespace {

using testing::ProcessResult;
using testing::ReadFile;
using testing::RunProcess;
using testing::TempDir;
using testing::VigilBinary;

constexpr char kSchema[] =
    "fields: {id: int, ts: int, type: string, account: string, amount: double, other: string}\n";

constexpr char kRules[] = R"(version: 1
rules:
  - rule: big-after-login
    key: account
    pattern:
      - begin: login
        where: type == "login"
      - followed_by: payment
        where: type == "transaction" && amount > 100.0
    within: 10s
    alert:
      summary: "${account} moved ${payment.amount}"
    on_timeout: { to: [quiet] }
  - rule: no-logout
    key: account
    pattern:
      - begin: login
        where: type == "login"
      - not_followed_by: logout
        where: type == "logout"
    within: 3s
  - rule: pair
    key: [account, other]
    pattern:
      - begin: a
        where: amount > 50.0
      - next: b
        where: amount < a.amount
    within: 5s
    after_match: skip_past_last_event
)";

struct Files {
  TempDir dir;
  std::string schema = dir.Write("schema.yaml", kSchema);
  std::string rules = dir.Write("rules.yaml", kRules);
};

std::vector<std::string> Command(const Files& files, const std::vector<std::string>& more) {
  std::vector<std::string> argv = {VigilBinary(), "replay",   "-r",
                                   files.rules,   "--schema", files.schema};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

// Random events in order of unique times.
std::vector<std::string> RandomEvents(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  static const char* kTypes[] = {"login", "transaction", "transaction", "transaction", "logout"};
  std::vector<std::string> lines;
  int64_t ts = 1'700'000'000'000;
  for (size_t i = 0; i < n; ++i) {
    ts += 1 + static_cast<int64_t>(random() % 400);
    lines.push_back("{\"id\":" + std::to_string(i) + ",\"ts\":" + std::to_string(ts) +
                    ",\"type\":\"" + kTypes[random() % 5] + "\",\"account\":\"A" +
                    std::to_string(random() % 40) +
                    "\",\"amount\":" + std::to_string(random() % 200) + ".25,\"other\":\"x" +
                    std::to_string(random() % 3) + "\"}");
  }
  return lines;
}

std::string Join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// Each line shifted by less than `bound` ms of its place in time.
std::vector<std::string> Shuffled(std::vector<std::string> lines, int64_t bound, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::pair<int64_t, std::string>> arrivals;
  for (std::string& line : lines) {
    const int64_t ts = std::stoll(line.substr(line.find("\"ts\":") + 5));
    arrivals.emplace_back(ts + static_cast<int64_t>(random() % static_cast<uint64_t>(bound)),
                          std::move(line));
  }
  std::stable_sort(arrivals.begin(), arrivals.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> shuffled;
  for (auto& [arrival, line] : arrivals) shuffled.push_back(std::move(line));
  return shuffled;
}

// Alerts without what may differ between two orders of the same records.
std::vector<std::string> WithoutIdsAndPositions(const std::string& jsonl) {
  std::vector<std::string> lines;
  std::istringstream stream(jsonl);
  for (std::string line; std::getline(stream, line);) {
    const size_t rule = line.find("\"rule\"");
    lines.push_back(line.substr(rule, line.find("\"positions\"") - rule));
  }
  return lines;
}

TEST_CASE("Replay: the same bytes for 1, 2 and 7 shards", "[cmd]") {
  Files files;
  std::vector<std::string> lines = Shuffled(RandomEvents(4000, 5), 900, 6);
  lines.insert(lines.begin() + 2000,
               "{\"id\":1,\"ts\":1700000000001,\"type\":\"login\",\"account\":\"A1\"}");
  lines.insert(lines.begin() + 2500, "not json");
  lines.insert(lines.begin() + 100,
               "{\"id\":1,\"ts\":1700000000900,\"type\":\"transaction\",\"account\":\"A1\"}");
  const std::string events = files.dir.Write("events.jsonl", Join(lines));
  const ProcessResult one = RunProcess(Command(files, {"--disorder", "900ms", "-o", "-", events}));
  REQUIRE(one.exit_code == 0);
  CHECK(one.out.find("\"kind\":\"timeout\"") != std::string::npos);
  CHECK(one.out.find("\"kind\":\"late\"") != std::string::npos);
  CHECK(one.out.find("\"kind\":\"error\"") != std::string::npos);
  CHECK(std::count(one.out.begin(), one.out.end(), '\n') > 500);
  for (const char* shards : {"2", "7"}) {
    const ProcessResult other =
        RunProcess(Command(files, {"--disorder", "900ms", "--shards", shards, "-o", "-", events}));
    REQUIRE(other.exit_code == 0);
    CHECK(other.out == one.out);
  }
}

TEST_CASE("Replay: arrival order within the bound does not matter", "[cmd]") {
  Files files;
  const std::vector<std::string> ordered = RandomEvents(3000, 9);
  const std::string a = files.dir.Write("a.jsonl", Join(ordered));
  const std::string b = files.dir.Write("b.jsonl", Join(Shuffled(ordered, 2000, 10)));
  const ProcessResult first = RunProcess(Command(files, {"-o", "-", a}));
  const ProcessResult second = RunProcess(Command(files, {"--disorder", "2s", "-o", "-", b}));
  REQUIRE(first.exit_code == 0);
  REQUIRE(second.exit_code == 0);
  CHECK(first.out.size() > 10000);
  CHECK(WithoutIdsAndPositions(first.out) == WithoutIdsAndPositions(second.out));
}

TEST_CASE("Replay: several inputs are one stream by time", "[cmd]") {
  Files files;
  const std::vector<std::string> ordered = RandomEvents(2000, 21);
  std::vector<std::string> halves[2];
  for (size_t i = 0; i < ordered.size(); ++i) halves[(i * 7919) % 2].push_back(ordered[i]);
  const std::string all = files.dir.Write("all.jsonl", Join(ordered));
  const std::string first = files.dir.Write("first.jsonl", Join(halves[0]));
  const std::string second = files.dir.Write("second.jsonl", Join(halves[1]));
  const ProcessResult one = RunProcess(Command(files, {"-o", "-", all}));
  const ProcessResult two = RunProcess(Command(files, {"-o", "-", first, second}));
  CHECK(WithoutIdsAndPositions(one.out) == WithoutIdsAndPositions(two.out));
  CHECK(two.err.find(" 0 late") != std::string::npos);
}

TEST_CASE("Replay: a recording with positions is judged partition by partition", "[cmd]") {
  Files files;
  // Two partitions, the second a minute behind the first: nothing is late, as each has its own
  // watermark.
  std::string lines;
  for (int i = 0; i < 50; ++i) {
    for (int p = 0; p < 2; ++p) {
      const int64_t ts = 1'700'000'000'000 + i * 100 - p * 60'000;
      lines += "{\"ts\":" + std::to_string(ts) + ",\"type\":\"" +
               (i % 2 == 0 ? "login" : "transaction") + "\",\"account\":\"A" + std::to_string(p) +
               "\",\"amount\":500,\"_source\":\"tx\",\"_topic\":\"t\",\"_partition\":" +
               std::to_string(p) + ",\"_offset\":" + std::to_string(1000 + i) + "}\n";
    }
  }
  const std::string events = files.dir.Write("events.jsonl", lines);
  const std::string stats = files.dir.Path("stats.json");
  const ProcessResult run =
      RunProcess(Command(files, {"--positions", "-o", "-", "--stats", stats, events}));
  REQUIRE(run.exit_code == 0);
  CHECK(ReadFile(stats).find("\"processed\":100,\"late\":0") != std::string::npos);
  CHECK(run.out.find("\"tx/t/1/1001\"") != std::string::npos);
  const ProcessResult without = RunProcess(Command(files, {"--stats", stats, "-o", "-", events}));
  CHECK(without.exit_code == 0);
  CHECK(ReadFile(stats).find("\"late\":50") != std::string::npos);
}

TEST_CASE("Replay: standard input, inferred schema, readable text", "[cmd]") {
  Files files;
  const std::string lines =
      "{\"ts\":1000,\"type\":\"login\",\"account\":\"A1\"}\n"
      "{\"ts\":2000,\"type\":\"transaction\",\"account\":\"A1\",\"amount\":250.5,\"other\":\"x\"}"
      "\n";
  const ProcessResult run = RunProcess({VigilBinary(), "replay", "-r", files.rules, "-"}, lines);
  CHECK(run.exit_code == 0);
  CHECK(run.err.find("inferred") != std::string::npos);
  CHECK(run.out.find("A1 moved 250.5") != std::string::npos);
  CHECK(run.out.find("1970-01-01T00:00:02.000Z") != std::string::npos);
}

TEST_CASE("Replay: exit codes say whose fault it is", "[cmd]") {
  Files files;
  const std::string events =
      files.dir.Write("e.jsonl", "{\"ts\":1,\"type\":\"x\",\"account\":\"a\"}\nbroken\n");
  const std::string bad =
      files.dir.Write("bad.yaml", "version: 1\nrules: [{rule: x, key: nope, pattern: []}]\n");
  struct Row {
    std::vector<std::string> argv;
    int exit_code;
    const char* message;
  };
  const std::string vigil = VigilBinary();
  const Row rows[] = {
      {Command(files, {"-o", "/dev/null", events}), 0, "1 quarantined"},
      {{vigil, "replay", "-r", bad, "--schema", files.schema, events}, 1, "error["},
      {Command(files, {"--disorder", "soon", events}), 2, "--disorder soon"},
      {Command(files, {"--time-unit", "h", events}), 2, "h"},
      {Command(files, {"--no-such-option", events}), 2, "--no-such-option"},
      {Command(files, {}), 2, "inputs"},
      {{vigil, "replay", events}, 2, "--rules"},
      {{vigil, "nonsense"}, 2, ""},
      {Command(files, {files.dir.Path("missing.jsonl")}), 3, "missing.jsonl"},
      {Command(files, {"-o", files.dir.Path("no/such/folder/x.jsonl"), events}), 3,
       "no/such/folder"},
      {Command(files, {"-o", "/dev/full", events}), 3, "/dev/full"},
      {{vigil, "--version"}, 0, ""},
      {{vigil, "replay", "--help"}, 0, ""},
  };
  for (const Row& row : rows) {
    const ProcessResult run = RunProcess(row.argv);
    INFO(row.argv.back() << "\n" << run.err);
    CHECK(run.exit_code == row.exit_code);
    CHECK(run.err.find(row.message) != std::string::npos);
  }
}

TEST_CASE("Replay: --stats has the contract's fields and the ledger closes", "[cmd]") {
  Files files;
  std::vector<std::string> lines = RandomEvents(1000, 3);
  lines[10] = "oops";
  lines[900] = lines[2];
  const std::string events = files.dir.Write("e.jsonl", Join(lines));
  const std::string stats = files.dir.Path("stats.json");
  REQUIRE(RunProcess(Command(files, {"-o", "/dev/null", "--stats", stats, events})).exit_code == 0);
  simdjson::dom::parser parser;
  const simdjson::dom::element json = parser.load(stats);
  const uint64_t read = json["read"];
  const uint64_t processed = json["processed"];
  const uint64_t late = json["late"];
  const uint64_t quarantined = json["quarantined"];
  const uint64_t limited = json["rate_limited"];
  CHECK(read == 1000);
  CHECK(late == 1);
  CHECK(quarantined == 1);
  CHECK(read == processed + late + quarantined + limited);
  CHECK(uint64_t(json["alerts"]["big-after-login"]) > 0);
  for (const char* field : {"wall_s", "cpu_s", "events_per_s", "peak_rss_bytes"}) {
    CHECK(json[field].is_number());
  }
}

std::string FromBase64(std::string_view text) {
  static const std::string kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const size_t value = kAlphabet.find(c);
    if (value == std::string::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count));
  }
  return bytes;
}

TEST_CASE("Replay: the JSON suite, one bad line costs one line", "[cmd]") {
  std::ifstream suite("tests/corpus/json/json-suite.jsonl");
  REQUIRE(suite.good());
  simdjson::dom::parser parser;
  std::string lines;
  std::vector<std::string> names;
  std::vector<char> expected;
  int number = 0;
  const auto add = [&](const std::string& name, char expect, const std::string& value) {
    const std::string n = std::to_string(number++);
    lines += "{\"id\":" + n + ",\"ts\":" + n + ",\"x\":" + value + "}\n";
    names.push_back(name);
    expected.push_back(expect);
  };
  for (std::string line; std::getline(suite, line);) {
    const simdjson::dom::element test_case = parser.parse(line);
    const std::string bytes = FromBase64(std::string_view(test_case["bytes"]));
    const std::string name{std::string_view(test_case["name"])};
    if (bytes.find('\n') != std::string::npos) continue;
    add("good", 'y', "1");
    add(name, std::string_view(test_case["expect"])[0], bytes);
  }
  add("good", 'y', "1");
  TempDir dir;
  const std::string events = dir.Write("suite.jsonl", lines);
  const std::string schema = dir.Write("schema.yaml", "fields: {id: int, ts: int, x: dyn}\n");
  const std::string rules = dir.Write(
      "rules.yaml",
      "version: 1\nrules:\n  - rule: every\n    key: id\n    pattern:\n      - begin: a\n");
  const ProcessResult run = RunProcess(
      {VigilBinary(), "replay", "-r", rules, "--schema", schema, "--strict", "-o", "-", events});
  REQUIRE(run.exit_code == 0);
  std::vector<char> outcome(names.size(), '?');
  std::istringstream out(run.out);
  // An accepted number may be too large for a parser that reads the alert, so the lines are
  // searched, not parsed.
  const auto number_after = [](const std::string& line, const std::string& key) {
    return static_cast<size_t>(std::stoul(line.substr(line.find(key) + key.size())));
  };
  for (std::string line; std::getline(out, line);) {
    if (line.find("\"kind\":\"match\"") != std::string::npos) {
      outcome[number_after(line, "\"key\":{\"id\":")] = 'y';
      continue;
    }
    const size_t at = number_after(line, "suite.jsonl/");
    outcome[at] = 'n';
    CHECK(line.find("\"reason\":\"line " + std::to_string(at + 1)) != std::string::npos);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    INFO(names[i]);
    if (expected[i] == 'i') {
      CHECK(outcome[i] != '?');
    } else {
      CHECK(outcome[i] == expected[i]);
    }
  }
}

}  // namespace
}  // namespace vigil
