// The admin API's routes, roles and answers, and that docs/openapi.yaml says the same.
#include "daemon/admin_api.h"

#include <set>
#include <sstream>

#include <catch2/catch.hpp>
#include <simdjson.h>
#include <spdlog/sinks/ostream_sink.h>
#include <yaml-cpp/yaml.h>

#include "rules/load.h"

namespace vigil::daemon {
namespace {

constexpr char kRules[] = R"(version: 1
rules:
  - rule: pair
    key: [account]
    pattern: [{ begin: a, where: type == 'x' }]
    within: 1m
)";

class FakeJob : public JobView, public RuleTarget {
 public:
  FakeJob() {
    const rules::LoadResult loaded =
        rules::LoadRuleTexts({{"t.yaml", kRules}}, std::make_shared<cep::Schema>());
    REQUIRE(loaded.rules != nullptr);
    running = *FollowRules(nullptr, loaded.rules);
    partition = {"s", "t", 0, "s/t/0"};
    auto at = std::make_shared<cep::CommitPoint>();
    at->number = 7;
    at->watermark = 1000;
    at->holder = 0;
    at->partitions.push_back({.partition = &partition,
                              .next_offset = 40,
                              .watermark = 1000,
                              .end_offset = 100,
                              .ledger = {.read = 40, .processed = 40}});
    point = at;
  }
  std::string name() const override { return "job \"1\""; }
  std::shared_ptr<const RunningRules> rules() const override { return running; }
  Status Activate(std::shared_ptr<const RunningRules> next, std::chrono::milliseconds) override {
    running = std::move(next);
    return absl::OkStatus();
  }
  std::shared_ptr<const cep::CommitPoint> status() const override { return point; }
  std::shared_ptr<const JobCounters> Counters() override {
    auto counters = std::make_shared<JobCounters>();
    counters->alerts = {{"pair", 5}};
    counters->rules = running;
    counters->by_rule.resize(1);
    counters->by_rule[0].evaluation_errors = 3;
    counters->no_key = {2};
    counters->live_keys = 9;
    return counters;
  }
  std::map<std::string, alerts::SinkCounters> sinks() const override {
    return {{"j/alerts/f", {}}};
  }
  bool is_alive() const override { return alive; }
  bool is_paused() const override { return paused; }
  void Pause(bool is_paused) override { paused = is_paused; }
  StatusOr<std::string> Checkpoint() override { return checkpoint; }
  void Stop() override { stopped = true; }

  std::shared_ptr<const RunningRules> running;
  cep::Partition partition;
  std::shared_ptr<const cep::CommitPoint> point;
  bool alive = true;
  bool paused = false;
  bool stopped = false;
  StatusOr<std::string> checkpoint = absl::FailedPreconditionError("the job has no `state`");
};

struct Setup {
  Setup() {
    config.read_token = "see";
    config.operate_token = "act";
    Make();
  }
  void Make() { api = std::make_unique<AdminApi>(config, &job, &reloader); }
  io::HttpResponse Ask(const std::string& method, const std::string& path,
                       const std::string& token = "", const std::string& body = "") {
    return api->Answer({method, path, token.empty() ? "" : "Bearer " + token, body});
  }

  std::ostringstream text;
  Log log{LogFormat::kText, std::make_shared<spdlog::logger>(
                                "t", std::make_shared<spdlog::sinks::ostream_sink_mt>(text))};
  FakeJob job;
  ListenConfig config;
  Reloader reloader{ReloaderOptions{.paths = {"/no/such/rules"},
                                    .schema = std::make_shared<cep::Schema>(),
                                    .outputs = {"alerts"}},
                    &job, &log};
  std::unique_ptr<AdminApi> api;
};

std::string Filled(std::string path) {
  const size_t brace = path.find('{');
  return brace == std::string::npos ? path : path.substr(0, brace) + "pair";
}

TEST_CASE("AdminApi: docs/openapi.yaml has the routes that there are, with their roles",
          "[daemon][unit]") {
  const YAML::Node document = YAML::LoadFile("docs/openapi.yaml");
  std::set<std::string> documented;
  for (const auto& path : document["paths"]) {
    for (const auto& method : path.second) {
      std::string name = method.first.as<std::string>();
      for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      const YAML::Node security = method.second["security"];
      const std::string role =
          security ? security[0].begin()->first.as<std::string>() : std::string("open");
      documented.insert(name + " " + path.first.as<std::string>() + " " + role);
      CHECK(method.second["summary"]);
    }
  }
  std::set<std::string> served;
  const char* const kRoles[] = {"open", "read", "operate"};
  for (const AdminApi::Route& route : AdminApi::Routes()) {
    served.insert(std::string(route.method) + " " + route.path + " " +
                  kRoles[static_cast<size_t>(route.role)]);
  }
  CHECK(served == documented);
}

TEST_CASE("AdminApi: who may do what", "[daemon][unit]") {
  Setup setup;
  for (const AdminApi::Route& route : AdminApi::Routes()) {
    INFO(route.path);
    const std::string path = Filled(route.path);
    const bool is_open = route.role == Role::kOpen;
    const bool operates = route.role == Role::kOperate;
    CHECK((setup.Ask(route.method, path).status == 401) == !is_open);
    CHECK((setup.Ask(route.method, path, "acts").status == 401) == !is_open);
    CHECK((setup.Ask(route.method, path, "see").status == 401) == operates);
    CHECK(setup.Ask(route.method, path, "act").status != 401);
    CHECK(setup.Ask("BREW", path, "act").status == 405);
  }
  CHECK(setup.Ask("GET", "/v1/rules/a/b", "act").status == 404);
  CHECK(setup.Ask("GET", "/../etc/passwd", "act").status == 404);
  setup.config = ListenConfig();
  setup.Make();
  CHECK(setup.Ask("GET", "/v1/status").status == 200);
  setup.job.stopped = false;
  CHECK(setup.Ask("POST", "/v1/drain").status == 403);
  CHECK(setup.Ask("POST", "/v1/drain", "act").status == 403);
  CHECK_FALSE(setup.job.stopped);
}

TEST_CASE("AdminApi: health, status, rules and metrics", "[daemon][unit]") {
  Setup setup;
  CHECK(setup.Ask("GET", "/healthz").status == 200);
  CHECK(setup.Ask("GET", "/readyz").status == 200);
  setup.job.alive = false;
  CHECK(setup.Ask("GET", "/healthz").status == 503);

  simdjson::dom::parser parser;
  const auto parsed = [&](const io::HttpResponse& response) {
    return parser.parse(simdjson::padded_string(response.body));
  };
  const io::HttpResponse status = setup.Ask("GET", "/v1/status", "see");
  CHECK(std::string_view(parsed(status)["held_by"]["partition"]) == "s/t/0");
  CHECK(std::string_view(parsed(status)["held_by"]["why"]) ==
        "60 of its records are still to be read");
  CHECK(uint64_t(parsed(status)["partitions"].at(0)["next_offset"]) == 40);
  CHECK(std::string_view(parsed(status)["job"]) == "job \"1\"");
  const io::HttpResponse rules = setup.Ask("GET", "/v1/rules", "see");
  CHECK(std::string_view(parsed(rules)["rule_set"]) == setup.job.running->rules->version);
  CHECK(std::string_view(parsed(rules)["rules"].at(0)["rule"]) == "pair");
  CHECK(setup.Ask("GET", "/v1/rules/none", "see").status == 404);

  const std::string metrics = setup.Ask("GET", "/metrics", "see").body;
  for (const char* line :
       {"vigil_current_watermark_ms 1000", "vigil_records_lag{partition=\"s/t/0\"} 60",
        "vigil_num_records_in_total{partition=\"s/t/0\"} 40",
        "vigil_rule_matches_total{rule=\"pair\"} 5",
        "vigil_rule_evaluation_errors_total{rule=\"pair\"} 3", "vigil_live_keys 9",
        "# TYPE vigil_rule_matches_total counter"}) {
    INFO(metrics);
    CHECK(metrics.find(std::string(line) + "\n") != std::string::npos);
  }
}

TEST_CASE("AdminApi: operating", "[daemon][unit]") {
  Setup setup;
  CHECK(setup.Ask("POST", "/v1/pause", "act").status == 200);
  CHECK(setup.job.paused);
  CHECK(setup.Ask("POST", "/v1/resume", "act").status == 200);
  CHECK_FALSE(setup.job.paused);
  std::string text = kRules;
  const io::HttpResponse good = setup.Ask("POST", "/v1/dry-run", "act", text);
  CHECK(good.status == 200);
  CHECK(good.body.find("\"verdict\":\"identical\"") != std::string::npos);
  const io::HttpResponse bad = setup.Ask("POST", "/v1/dry-run", "act", text + "    nope: 1\n");
  CHECK(bad.status == 422);
  CHECK(bad.body.find("nope") != std::string::npos);
  // The files are not there: refused whole.
  CHECK(setup.Ask("POST", "/v1/reload", "act").status == 422);
  CHECK(setup.job.running->rules->rules.size() == 1);
  CHECK(setup.Ask("POST", "/v1/checkpoint", "act").status == 409);
  setup.job.checkpoint = absl::UnavailableError("the \"disk\"");
  CHECK(setup.Ask("POST", "/v1/checkpoint", "act").status == 503);
  CHECK(setup.Ask("POST", "/v1/checkpoint", "act").body == "{\"error\":\"the \\\"disk\\\"\"}\n");
  setup.job.checkpoint = "state/checkpoints/1";
  CHECK(setup.Ask("POST", "/v1/checkpoint", "act").body == "{\"path\":\"state/checkpoints/1\"}\n");
  CHECK(setup.Ask("POST", "/v1/drain", "act").status == 202);
  CHECK(setup.job.stopped);
}

}  // namespace
}  // namespace vigil::daemon
