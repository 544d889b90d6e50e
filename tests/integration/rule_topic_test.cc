// Rules from a topic of a real broker: read before anything runs, changed while it runs.
#include <csignal>
#include <filesystem>

#include <catch2/catch.hpp>

#include "tests/integration/daemon_run.h"
#include "tests/support/kafka.h"
#include "tests/support/process.h"

namespace vigil {
namespace {

using testing::Broker;
using testing::Count;
using testing::Daemon;
using testing::KafkaRecord;
using testing::WaitFor;

// A rule that an event of this type completes, as one line.
std::string Rule(const std::string& id, const std::string& type) {
  return "{rule: " + id + ", key: account, pattern: [{begin: a, where: \"type == '" + type +
         "'\"}]}";
}

std::string File(const std::vector<std::string>& rules) {
  std::string text = "{version: 1, rules: [";
  for (size_t i = 0; i < rules.size(); ++i) text += (i > 0 ? ", " : "") + rules[i];
  return text + "]}";
}

TEST_CASE("Run: rules from a topic are there before the first event, and change as one set",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  const std::string rules = broker->CreateTopic("rules", 2);
  const std::string events = broker->CreateTopic("ruled", 1);
  const auto put = [&](const std::string& key, const std::string& value, int partition = 0) {
    broker->Produce(rules, {{.value = value, .key = key, .partition = partition, .headers = {}}});
  };
  int64_t ts = 1'000'000;
  const auto event = [&](const std::string& type) {
    ts += 1000;
    broker->Produce(events, {{.value = "{\"ts\":" + std::to_string(ts) +
                                       ",\"account\":\"a\",\"type\":\"" + type + "\"}",
                              .key = "a",
                              .partition = 0,
                              .headers = {}}});
  };
  put("old.yaml", File({Rule("gone", "x")}));
  put("one.yaml", File({Rule("one", "wrong")}), 1);
  put("one.yaml", File({Rule("one", "x"), Rule("two", "x")}), 1);
  put("three", Rule("three", "y"));
  put("old.yaml", "");  // a tombstone
  event("x");
  event("y");
  Daemon daemon("name: " + rules + "\nrules: { topic: " + rules +
                " }\nsources:\n  s:\n    kafka: { brokers: \"" + broker->address() +
                "\", topics: [" + events +
                "] }\n    watermark: { bounded: 100ms }\n"
                "outputs:\n  alerts: [{ file: alerts.jsonl }]\n  audit: [{ file: audit.jsonl }]\n"
                "http: { listen: \"127.0.0.1:0\", operate_token: act }\n");
  REQUIRE(WaitFor(60, [&] { return daemon.IsRunning(); }));
  const auto alerts = [&](const std::string& rule) {
    return Count(daemon.File("alerts.jsonl"), "\"rule\":\"" + rule + "\"");
  };
  const auto log_has = [&](const std::string& text) {
    return WaitFor(30, [&] { return daemon.Log().find(text) != std::string::npos; });
  };
  event("z");  // lets time pass what came before
  CHECK(WaitFor(30, [&] { return alerts("one") == 1 && alerts("three") == 1; }));
  CHECK(alerts("two") == 1);
  CHECK(alerts("gone") == 0);

  // Several messages are one set: each alone would be bad, two rules of one name.
  broker->Produce(
      rules,
      {{.value = File({Rule("one", "x")}), .key = "moved.yaml", .partition = 1, .headers = {}},
       {.value = File({Rule("two", "x"), Rule("four", "x")}),
        .key = "one.yaml",
        .partition = 1,
        .headers = {}}});
  CHECK(log_has("rule=four verdict=new"));
  CHECK(log_has("rules reloaded"));  // the verdicts come first
  INFO(daemon.Log());
  CHECK(Count(daemon.Log(), "rules reloaded") == 1);
  CHECK(Count(daemon.Log(), "rules refused") == 0);
  CHECK(daemon.Log().find("rule=one verdict=identical") != std::string::npos);

  // A bad one is refused whole, says so everywhere, and what ran goes on.
  put("bad.yaml", File({Rule("five", "x"), "{rule: six}"}));
  CHECK(log_has("rules refused, the running ones go on"));
  CHECK(WaitFor(30, [&] {
    return daemon.File("audit.jsonl").find("\"what\":\"rules refused\"") != std::string::npos;
  }));
  const auto ask = [&](const std::string& method, const std::string& path) {
    return testing::RunProcess({"curl", "-s", "-m", "20", "-X", method, "-H",
                                "Authorization: Bearer act", "-d", Rule("one", "q"),
                                "http://" + daemon.Address() + path})
        .out;
  };
  CHECK(ask("GET", "/metrics").find("vigil_rule_reloads_refused_total 1\n") != std::string::npos);
  CHECK(ask("GET", "/v1/status").find("\"outcome\":\"refused\"") != std::string::npos);
  event("x");
  event("z");
  CHECK(WaitFor(30, [&] { return alerts("one") == 2 && alerts("four") == 1; }));
  CHECK(alerts("five") == 0);
  // Over HTTP they are read and tried, not written.
  CHECK(ask("GET", "/v1/rules/three").find("\"file\":\"three\"") != std::string::npos);
  CHECK(ask("PUT", "/v1/rules/one").find("produce to it") != std::string::npos);
  CHECK(ask("PUT", "/v1/rules/one?dry_run").find("six") != std::string::npos);

  put("bad.yaml", "");
  // As docs/operations.md shows it.
  const std::string file =
      daemon.dir.Write("filed.yaml", "version: 1\nrules:\n  - " + Rule("filed", "f") + "\n");
  const auto kcat = [&](std::vector<std::string> more, const std::string& input) {
    std::vector<std::string> argv = {"kcat", "-P", "-b", broker->address(), "-t", rules};
    argv.insert(argv.end(), more.begin(), more.end());
    CHECK(testing::RunProcess(argv, input).exit_code == 0);
  };
  kcat({"-k", "filed.yaml", file}, "");
  CHECK(log_has("rule=filed verdict=new"));
  kcat({"-K", ":", "-Z"}, "filed.yaml:\n");
  CHECK(log_has("rule=filed verdict=removed"));
  put("moved.yaml", "", 1);
  CHECK(log_has("rule=one verdict=removed"));
  event("x");
  event("z");
  CHECK(WaitFor(30, [&] { return alerts("four") == 2; }));
  CHECK(alerts("one") == 2);
  // Nothing is left: it runs without rules.
  broker->Produce(rules, {{.value = "", .key = "one.yaml", .partition = 1, .headers = {}},
                          {.value = "", .key = "three", .partition = 0, .headers = {}}});
  CHECK(log_has("rule=four verdict=removed"));
  daemon.process->Signal(SIGTERM);
  CHECK(daemon.process->Wait(40) == 0);
  testing::CheckLedger(testing::Totals(daemon.Log()), 7);
}

TEST_CASE("Run: a topic of rules that is not there is waited for, a signal ends that",
          "[integration]") {
  Broker* broker = Broker::Get();
  if (broker == nullptr) return;
  const std::string events = broker->CreateTopic("unruled", 1);
  Daemon daemon("rules: { topic: no-such-rules }\nsources:\n  s: { kafka: { brokers: \"" +
                broker->address() + "\", topics: [" + events + "] } }\n");
  CHECK(WaitFor(30, [&] {
    return daemon.Log().find("waiting for the topic of rules") != std::string::npos;
  }));
  CHECK(daemon.process->Wait(1) == -1);
  daemon.process->Signal(SIGTERM);
  CHECK(daemon.process->Wait(20) == 0);
}

}  // namespace
}  // namespace vigil
