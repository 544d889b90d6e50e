// The admin API's routes, roles and answers, and that docs/openapi.yaml says the same.
#include "daemon/admin_api.h"

#include <filesystem>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>
#include <simdjson.h>
#include <spdlog/sinks/ostream_sink.h>
#include <yaml-cpp/yaml.h>

#include "daemon/rule_files.h"
#include "rules/load.h"
#include "tests/support/process.h"

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
  void TellRefused(const std::string&) override { ++refused; }
  std::shared_ptr<const cep::CommitPoint> status() const override { return point; }
  std::shared_ptr<const JobCounters> Counters() override {
    auto counters = std::make_shared<JobCounters>();
    counters->alerts = {{"pair", 5}};
    counters->rules = running;
    counters->by_rule.resize(1);
    counters->by_rule[0].evaluation_errors = 3;
    counters->no_key = {2};
    counters->live_keys = 9;
    counters->load = {{{"job", 250, 700, 50}}, {12.5}, {3}, 3};
    return counters;
  }
  std::map<std::string, alerts::SinkCounters> sinks() const override {
    return {{"j/alerts/f", {}}};
  }
  std::optional<StateCounters> state_counters() const override { return state; }
  Pauses::Counts swaps() const override { return pauses.counts(); }
  int64_t wall_ms() const override { return 1500; }
  bool is_alive() const override { return alive; }
  bool is_paused() const override { return paused; }
  void Pause(bool is_paused) override { paused = is_paused; }
  StatusOr<std::string> Checkpoint() override { return checkpoint; }
  void Stop() override { stopped = true; }

  std::shared_ptr<const RunningRules> running;
  cep::Partition partition;
  std::shared_ptr<const cep::CommitPoint> point;
  std::optional<StateCounters> state;
  Pauses pauses;
  bool alive = true;
  bool paused = false;
  bool stopped = false;
  int refused = 0;
  StatusOr<std::string> checkpoint = absl::FailedPreconditionError("the job has no `state`");
};

struct Setup {
  Setup() {
    std::filesystem::create_directory(dir.Path("rules"));
    dir.Write("rules/pair.yaml", kRules);
    store = *RuleFiles::Create({dir.Path("rules")});
    reloader = std::make_unique<Reloader>(
        ReloaderOptions{.schema = std::make_shared<cep::Schema>(), .outputs = {"alerts"}},
        store.get(), &job, &log);
    config.read_token = "see";
    config.operate_token = "act";
    Make();
  }
  void Make() { api = std::make_unique<AdminApi>(config, &job, reloader.get()); }
  io::HttpResponse Ask(const std::string& method, const std::string& path,
                       const std::string& token = "", const std::string& body = "") {
    return api->Answer({method, path, token.empty() ? "" : "Bearer " + token, body});
  }

  std::ostringstream text;
  Log log{LogFormat::kText, std::make_shared<spdlog::logger>(
                                "t", std::make_shared<spdlog::sinks::ostream_sink_mt>(text))};
  FakeJob job;
  ListenConfig config;
  testing::TempDir dir;
  std::unique_ptr<RuleStore> store;
  std::unique_ptr<Reloader> reloader;
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

  setup.job.pauses.Add(0.5);
  setup.job.pauses.Add(7);
  setup.job.pauses.Add(9000);
  CHECK(setup.Ask("GET", "/metrics", "see").body.find("vigil_commits") == std::string::npos);
  setup.job.state = {.commits = 4,
                     .last_commit_ms = 250,
                     .outbox_bytes = 11,
                     .live_bytes = 100,
                     .chunk_bytes = 210,
                     .checkpoints = 2};
  const std::string metrics = setup.Ask("GET", "/metrics", "see").body;
  for (const char* line : {"vigil_current_watermark_ms 1000",
                           "vigil_records_lag{partition=\"s/t/0\"} 60",
                           "vigil_num_records_in_total{partition=\"s/t/0\"} 40",
                           "vigil_rule_matches_total{rule=\"pair\"} 5",
                           "vigil_rule_evaluation_errors_total{rule=\"pair\"} 3",
                           "vigil_live_keys 9",
                           "vigil_busy_time_ms_per_second{thread=\"job\"} 250",
                           "vigil_idle_time_ms_per_second{thread=\"job\"} 700",
                           "vigil_back_pressured_time_ms_per_second{thread=\"job\"} 50",
                           "vigil_rule_cost_ms_per_second{rule=\"pair\"} 12.5",
                           "vigil_rule_partial_matches{rule=\"pair\"} 3",
                           "vigil_live_partial_matches 3",
                           "vigil_source_watermark_lag_ms{source=\"s\"} 500",
                           "vigil_commits_total 4",
                           "vigil_last_commit_seconds 0.25",
                           "vigil_checkpoints_total 2",
                           "vigil_state_live_bytes 100",
                           "vigil_state_chunk_bytes 210",
                           "vigil_outbox_bytes 11",
                           "vigil_rule_swap_seconds_bucket{le=\"0.001\"} 1",
                           "vigil_rule_swap_seconds_bucket{le=\"0.01\"} 2",
                           "vigil_rule_swap_seconds_bucket{le=\"+Inf\"} 3",
                           "vigil_rule_swap_seconds_count 3",
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
  std::filesystem::remove_all(setup.dir.Path("rules"));
  CHECK(setup.Ask("POST", "/v1/reload", "act").status == 422);
  CHECK(setup.job.refused == 1);
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

constexpr char kOther[] =
    "rule: other\nkey: account\npattern: [{ begin: b, where: type == 'y' }]\n";

struct Editing : Setup {
  io::HttpResponse Put(const std::string& path, const std::string& body,
                       const std::string& if_match = "", const std::string& if_none_match = "") {
    io::HttpRequest request{"PUT", path, "Bearer act", body};
    return Send(std::move(request), if_match, if_none_match);
  }
  io::HttpResponse Delete(const std::string& path, const std::string& if_match = "") {
    return Send({"DELETE", path, "Bearer act", ""}, if_match, "");
  }
  io::HttpResponse Send(io::HttpRequest request, const std::string& if_match,
                        const std::string& if_none_match) {
    const size_t question = std::min(request.path.find('?'), request.path.size());
    request.query = request.path.substr(std::min(question + 1, request.path.size()));
    request.path.resize(question);
    request.if_match = if_match;
    request.if_none_match = if_none_match;
    io::HttpResponse response = api->Answer(request);
    CheckDocumented(request, response.status);
    return response;
  }
  // docs/openapi.yaml knows each answer that an edit may get.
  static void CheckDocumented(const io::HttpRequest& request, int status) {
    static const YAML::Node document = YAML::LoadFile("docs/openapi.yaml");
    const bool is_rule = request.path.rfind("/v1/rules/", 0) == 0;
    INFO(request.method << " " << request.path << " " << status);
    CHECK(
        document["paths"][is_rule ? "/v1/rules/{rule}" : request.path]
                [request.method == "PUT" ? "put" : "delete"]["responses"][std::to_string(status)]);
  }
  std::string File(const std::string& name) const {
    return testing::ReadFile(dir.Path("rules/" + name));
  }
  std::string Ids() const {
    std::string ids;
    for (const auto& rule : job.running->rules->rules) ids += rule.info.id + " ";
    return ids;
  }
};

TEST_CASE("AdminApi: rules are put, read and deleted, in the files and in what runs",
          "[daemon][unit]") {
  Editing setup;
  // A dry run changes nothing.
  const io::HttpResponse dry = setup.Put("/v1/rules/other?dry_run=true", kOther);
  CHECK(dry.status == 200);
  CHECK(dry.body.find("\"outcome\":\"accepted\"") != std::string::npos);
  CHECK(dry.body.find("{\"rule\":\"other\",\"verdict\":\"new\"}") != std::string::npos);
  CHECK(setup.Ids() == "pair ");
  CHECK(setup.File("other.yaml").empty());

  const io::HttpResponse put = setup.Put("/v1/rules/other", kOther);
  INFO(put.body);
  CHECK(put.status == 200);
  CHECK(put.body.find("\"outcome\":\"activated\"") != std::string::npos);
  CHECK(setup.Ids() == "other pair ");
  CHECK(setup.File("other.yaml").find("- rule: other") != std::string::npos);
  // What the files say is what runs.
  CHECK(setup.reloader->Reload().outcome == ReloadReport::Outcome::kUnchanged);

  const io::HttpResponse got = setup.Ask("GET", "/v1/rules/other", "see");
  CHECK(got.status == 200);
  CHECK(got.etag == put.etag);
  simdjson::dom::parser parser;
  const simdjson::dom::element json = parser.parse(simdjson::padded_string(got.body));
  CHECK(std::string(std::string_view(json["text"])) == kOther);
  CHECK(bool(json["running"]));
  io::HttpRequest as_yaml{"GET", "/v1/rules/other", "Bearer see", ""};
  as_yaml.accept = "application/yaml";
  CHECK(setup.api->Answer(as_yaml).body == kOther);

  CHECK(setup.Delete("/v1/rules/other?dry_run").status == 200);
  CHECK(setup.Ids() == "other pair ");
  CHECK(setup.Delete("/v1/rules/other").status == 200);
  CHECK(setup.Ids() == "pair ");
  CHECK_FALSE(std::filesystem::exists(setup.dir.Path("rules/other.yaml")));
  CHECK(setup.Delete("/v1/rules/other").status == 404);
  // The last file stays, without rules.
  CHECK(setup.Delete("/v1/rules/pair").status == 200);
  CHECK(setup.File("pair.yaml") == "version: 1\nrules: []\n");
  CHECK(setup.Ids().empty());
}

TEST_CASE("AdminApi: who edits what another has edited is told", "[daemon][unit]") {
  Editing setup;
  const std::string tag = setup.Ask("GET", "/v1/rules/pair", "see").etag;
  std::string pair = "rule: pair\nkey: [account]\npattern: [{ begin: a, where: type == 'z' }]\n";
  const io::HttpResponse first = setup.Put("/v1/rules/pair", pair, "\"0\", " + tag);
  CHECK(first.status == 200);
  CHECK(first.etag != tag);
  const io::HttpResponse second = setup.Put("/v1/rules/pair", pair + "within: 2m\n", tag);
  CHECK(second.status == 412);
  CHECK(second.body.find("by now") != std::string::npos);
  CHECK(setup.Delete("/v1/rules/pair", tag).status == 412);
  CHECK(setup.Put("/v1/rules/pair", pair, "", "*").status == 412);
  CHECK(setup.Put("/v1/rules/other", kOther, "*").status == 412);
  CHECK(setup.Put("/v1/rules/other", kOther, "", "*").status == 200);
  CHECK(setup.Put("/v1/rules/pair", pair, first.etag).status == 200);
  const std::string all = setup.Ask("GET", "/v1/rule-set", "see").etag;
  CHECK(setup.Delete("/v1/rules/other").status == 200);
  CHECK(setup.Put("/v1/rule-set", "{\"files\":[]}", all).status == 412);
}

TEST_CASE("AdminApi: a bad rule is refused, with diagnostics as of the request", "[daemon][unit]") {
  Editing setup;
  const std::string before = setup.File("pair.yaml");
  const std::string bad = "rule: pair\nkey: account\npattern: [{ begin: a, where: amout > }]\n";
  const io::HttpResponse refused = setup.Put("/v1/rules/pair", bad);
  CHECK(refused.status == 422);
  simdjson::dom::parser parser;
  const simdjson::dom::element report = parser.parse(simdjson::padded_string(refused.body));
  CHECK(std::string_view(report["outcome"]) == "refused");
  const simdjson::dom::element d = report["diagnostics"].at(0);
  CHECK(std::string_view(d["file"]) == "request");
  CHECK(uint64_t(d["line"]) == 3);
  CHECK(uint64_t(d["column"]) > 20);
  CHECK(setup.File("pair.yaml") == before);
  CHECK(setup.Ids() == "pair ");
  CHECK_FALSE(std::filesystem::exists(setup.dir.Path("rules/.vigil-edit.json")));
  CHECK(setup.Put("/v1/rules/pair", "nothing").status == 400);
  CHECK(setup.Put("/v1/rules/pair", kOther).status == 400);
  CHECK(setup.Put("/v1/rules/..", "rule: ..\n").status >= 400);
  // A file that somebody broke by hand stands in the way of every edit.
  setup.dir.Write("rules/z.yaml", "rules: [\n");
  const io::HttpResponse broken = setup.Put("/v1/rules/other", kOther);
  CHECK(broken.status == 422);
  CHECK(broken.body.find("z.yaml") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(setup.dir.Path("rules/other.yaml")));
}

TEST_CASE("AdminApi: the whole set is put at once", "[daemon][unit]") {
  Editing setup;
  REQUIRE(setup.Put("/v1/rules/other", kOther).status == 200);
  const io::HttpResponse all = setup.Ask("GET", "/v1/rule-set", "see");
  // As it was got it changes nothing.
  const io::HttpResponse same = setup.Put("/v1/rule-set", all.body, all.etag);
  INFO(same.body);
  CHECK(same.status == 200);
  CHECK(same.body.find("\"outcome\":\"unchanged\"") != std::string::npos);
  CHECK(same.etag == all.etag);
  const std::string next =
      R"({"files":[{"file":"new.yaml","text":"version: 1\nrules:\n  - {rule: n, key: a, )"
      R"(pattern: [{begin: x, where: 'true'}]}\n"}]})";
  CHECK(setup.Put("/v1/rule-set?dry_run", next).body.find("\"removed\"") != std::string::npos);
  CHECK(setup.Ids() == "other pair ");
  const io::HttpResponse put = setup.Put("/v1/rule-set", next, all.etag);
  INFO(put.body);
  CHECK(put.status == 200);
  CHECK(setup.Ids() == "n ");
  CHECK_FALSE(std::filesystem::exists(setup.dir.Path("rules/pair.yaml")));
  CHECK(setup.Ask("GET", "/v1/rule-set", "see").etag == put.etag);
  for (const char* body :
       {"", "[]", "{\"files\":{}}", "{\"files\":[1]}", "{\"files\":[]}",
        R"({"files":[{"file":"../x.yaml","text":""}]})", R"({"files":[{"file":"x.sh","text":""}]})",
        R"({"files":[{"file":"x.yaml","text":""},{"file":"x.yaml","text":""}]})"}) {
    INFO(body);
    CHECK(setup.Put("/v1/rule-set", body).status == 400);
  }
  CHECK(setup.Ids() == "n ");
}

}  // namespace
}  // namespace vigil::daemon
