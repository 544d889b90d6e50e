// What rule files become: the compiled rules, their scopes, versions and files.

#include "rules/load.h"

#include <catch2/catch.hpp>

#include "tests/rules/support.h"

namespace vigil::rules {
namespace {

namespace fs = std::filesystem;
using testing::CorpusSchema;
using testing::FormatAll;

LoadResult Load(const std::string& text) { return LoadRuleTexts({{"t", text}}, CorpusSchema()); }

std::shared_ptr<const RuleSet> LoadGood(const std::string& text) {
  const LoadResult result = Load(text);
  INFO(FormatAll(result.diagnostics));
  REQUIRE(result.rules != nullptr);
  return result.rules;
}

// One rule whose pattern has the given stages, in YAML flow notation.
std::string Rule(const std::string& stages, const std::string& rest = "within: 1h") {
  return "rules: [{rule: r, key: account, " + rest + ", pattern: [" + stages + "]}]";
}

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(fs::temp_directory_path() / "vigil-rules-load-test") {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  void Write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

std::string RuleFile(const std::string& id) {
  return "rules: [{rule: " + id + ", key: account, pattern: [{begin: x}]}]";
}

}  // namespace

TEST_CASE("Load: every key arrives where it belongs", "[rules][unit]") {
  const LoadResult result = LoadRules({"tests/corpus/rules/good/every_key.yaml"}, CorpusSchema());
  INFO(FormatAll(result.diagnostics));
  REQUIRE(result.rules != nullptr);
  REQUIRE(result.rules->rules.size() == 1);
  const CompiledRule& rule = result.rules->rules[0];
  CHECK(rule.info.id == "every.key_1");
  CHECK(rule.info.severity == alerts::Severity::kHigh);
  CHECK(rule.info.tags == std::vector<std::string>{"card-testing", "demo"});
  CHECK(rule.info.key_names == std::vector<std::string>{"account", "card"});
  CHECK(rule.info.stage_names ==
        std::vector<std::string>{"probes", "cleared", "browse", "buy", "refund"});
  CHECK(rule.mode == Mode::kShadow);
  CHECK(rule.key_slots.size() == 2);
  CHECK(rule.pattern.ttl_ms == 30LL * 86400 * 1000);

  const patterns::Pattern& pattern = rule.pattern;
  CHECK(pattern.within_ms == 5400 * 1000);
  CHECK(pattern.after_match.kind == patterns::SkipKind::kSkipToFirst);
  CHECK(pattern.after_match.stage == "probes");
  CHECK(pattern.on_error == patterns::OnError::kQuarantine);
  CHECK(pattern.emit_timeouts);
  CHECK(pattern.limits.events_per_match == 20);
  REQUIRE(pattern.stages.size() == 4);
  const patterns::Stage& probes = pattern.stages[0];
  CHECK((probes.times_min == 2 && probes.times_max == 4 && probes.greedy));
  CHECK(probes.repeat == patterns::Repeat::kStrict);
  CHECK(probes.where.correlated != nullptr);
  const patterns::Stage& rounds = pattern.stages[2];
  CHECK(rounds.contiguity == patterns::Contiguity::kFollowedByAny);
  CHECK((rounds.times_max == patterns::kUnbounded && rounds.until != nullptr));
  REQUIRE(rounds.group.size() == 2);
  CHECK((rounds.group[0].index == 2 && rounds.group[1].index == 3));
  CHECK(rounds.group[0].times_min == 0);
  CHECK(rounds.group[1].within_ms == 90000);
  CHECK(rounds.group[1].key_slots.size() == 2);
  CHECK((pattern.stages[3].is_negated() && pattern.stages[3].index == 4));

  CHECK(rule.info.on_match.outputs == std::vector<std::string>{"cash-out"});
  CHECK(rule.info.on_match.evidence == alerts::Evidence::kUsed);
  CHECK(rule.info.on_match.fields.size() == 2);
  CHECK(rule.info.on_match.summary.size() == 4);
  CHECK(rule.info.on_match.summary[3].literal == " probes, then ${cash}\n");
  CHECK(rule.info.on_timeout.outputs == std::vector<std::string>{"alerts"});
}

TEST_CASE("Load: defaults", "[rules][unit]") {
  const auto set = LoadGood("rules: [{rule: r, key: account, pattern: [{begin: x}]}]");
  const CompiledRule& rule = set->rules[0];
  CHECK_FALSE(rule.info.has_severity);
  CHECK(rule.mode == Mode::kLive);
  CHECK(rule.info.on_match.outputs == std::vector<std::string>{"alerts"});
  CHECK(rule.info.on_match.evidence == alerts::Evidence::kFull);
  CHECK(rule.pattern.limits.partial_matches_per_key == 10000);
  CHECK_FALSE(rule.pattern.emit_timeouts);
  CHECK(rule.pattern.stages[0].where.unary.kind == cep::Condition::Kind::kTrue);
  CHECK_FALSE(rule.pattern.stages[0].has_times);
}

TEST_CASE("Load: the layout has what is read, and no more", "[rules][unit]") {
  const auto set = LoadGood(
      "rules: [{rule: r, key: account, pattern: [{begin: x, where: amount > 1.0}], alert: "
      "{fields: {c: x.country}}}, {rule: s, mode: off, key: card, pattern: [{begin: x}]}]");
  CHECK(set->layout->Find("account") >= 0);
  CHECK(set->layout->Find("amount") >= 0);
  CHECK(set->layout->Find("country") >= 0);
  CHECK(set->layout->Find("card") == -1);
  CHECK(set->rules.size() == 1);
}

TEST_CASE("Load: what a condition may name", "[rules][unit]") {
  const auto [stages, ok] = GENERATE(table<std::string, bool>({
      {"{begin: a}, {next: b, where: a.amount < amount}", true},
      {"{begin: a, times: 1}, {next: b, where: a.amount < amount}", true},
      {"{begin: a, times: 2}, {next: b, where: a.amount < amount}", false},
      {"{begin: a, times: 2}, {next: b, where: 'a[0].amount < amount'}", true},
      {"{begin: a, optional: true}, {next: b, where: size(a) == 0}", true},
      {"{begin: a, optional: true}, {next: b, where: a.amount < amount}", false},
      {"{begin: g, group: [{begin: a}]}, {next: b, where: a.amount < amount}", true},
      {"{begin: g, times: 1, group: [{begin: a}]}, {next: b, where: a.amount < amount}", true},
      {"{begin: g, times: 2, group: [{begin: a}]}, {next: b, where: a.amount < amount}", false},
      {"{begin: g, times: 2, group: [{begin: a}, {next: c, where: size(a) > 0}]}", true},
      {"{begin: g, optional: true, group: [{begin: a}]}, {next: b, where: size(a) > 0}", true},
      {"{begin: g, times: 2, group: [{begin: h, group: [{begin: a, where: size(a) < 9}]}]}", true},
      {"{begin: a, times: '1..', where: size(a) < 3}", true},
      {"{begin: a, where: size(a) < 3}", false},
      {"{begin: a, where: b.amount > 1.0}, {next: b}", false},
      {"{begin: a}, {not_next: n}, {next: b, where: n.amount > 1.0}", false},
      {"{begin: a}, {not_next: n, where: amount > a.amount}, {next: b}", true},
      {"{begin: a}, {next: b, times: '1..', until: amount > a.amount + size(b)}", false},
      {"{begin: a}, {next: b, times: '1..', until: amount > a.amount && size(b) > 2}", true},
      {"{begin: a}, {next: g, times: '1..', until: a.amount < amount, group: [{begin: c}]}", true},
      {"{begin: g, group: [{begin: a}]}, {next: b, where: g.amount < amount}", false},
  }));
  const LoadResult result = Load(Rule(stages));
  INFO(stages << "\n" << FormatAll(result.diagnostics));
  CHECK((result.rules != nullptr) == ok);
}

TEST_CASE("Load: defines are expressions, their lists are data", "[rules][unit]") {
  const auto [define, where, ok] = GENERATE(table<std::string, std::string, bool>({
      {"[XX, YY]", "country in d", true},
      {"[\"XX\"]", "country in d", true},
      {"[1, 2.5, true, null]", "failed_attempts in d", true},
      {"{XX: 1.5}", "amount > d[country]", true},
      {"250", "failed_attempts > d", true},
      {"250", "amount > d", true},
      {"1e3", "amount * d > 1.0", true},
      {"country", "d == 'XX'", true},
      {"'\"XX\"'", "country == d", true},
      {"XX", "country == d", false},
      {"amount > 1.0 || new_location", "d && country == 'XX'", true},
      {"false", "d", true},
      {"[.inf]", "amount in d", false},
  }));
  INFO(define << " / " << where);
  const LoadResult result = Load("define:\n  d: " + define +
                                 "\nrules:\n  - rule: r\n    key: account\n    pattern:\n"
                                 "      - begin: a\n        where: " +
                                 where + "\n");
  INFO(FormatAll(result.diagnostics));
  CHECK((result.rules != nullptr) == ok);
}

TEST_CASE("Load: versions follow the content, not the form", "[rules][unit]") {
  const std::string base =
      "rules:\n  - rule: r\n    key: account\n    pattern:\n      - begin: a\n";
  const std::string version = LoadGood(base)->version;
  CHECK(version.size() == 32);
  CHECK(version.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(LoadGood("# why\n" + base)->version == version);
  CHECK(LoadGood("rules: [{key: account, pattern: [{begin: a}], rule: r}]")->version == version);
  CHECK(LoadGood(base + "        where: amount > 1.0\n")->version != version);
  CHECK(LoadGood("define: {d: 1}\n" + base)->version != version);
  const std::string other = "rules: [{rule: s, key: card, pattern: [{begin: a}]}]";
  const auto schema = CorpusSchema();
  const LoadResult one_way = LoadRuleTexts({{"1", base}, {"2", other}}, schema);
  const LoadResult other_way = LoadRuleTexts({{"1", other}, {"2", base}}, schema);
  REQUIRE((one_way.rules != nullptr && other_way.rules != nullptr));
  CHECK(one_way.rules->version == other_way.rules->version);
  CHECK(one_way.rules->rules[0].info.id == "r");
}

TEST_CASE("Load: files of a folder, and defines over all of them", "[rules][unit]") {
  const TemporaryFolder folder;
  folder.Write("b.yml", RuleFile("b"));
  folder.Write("a/a.yaml", "rules: [{rule: a, key: account, pattern: [{begin: x, where: d}]}]");
  folder.Write(
      "c.json",
      "{\"rules\": [{\"rule\": \"c\", \"key\": \"account\", \"pattern\": [{\"begin\": \"x\"}]}]}");
  folder.Write("c.test.yaml", "this is: [no rule file");
  folder.Write("c.test.yml", "this is: [no rule file");
  folder.Write("notes.txt", "this is: [no rule file");
  folder.Write("z.yaml", "define: {d: amount > 1.0}");
  const LoadResult result = LoadRules({folder.path(), folder.path() + "/b.yml"}, CorpusSchema());
  INFO(FormatAll(result.diagnostics));
  REQUIRE(result.rules != nullptr);
  CHECK(result.rule_count == 3);
  CHECK(result.rules->rules[2].info.id == "c");

  folder.Write("d/d.yaml", RuleFile("b"));
  const LoadResult twice = LoadRules({folder.path()}, CorpusSchema());
  REQUIRE(twice.diagnostics.size() == 1);
  CHECK(twice.diagnostics[0].code == "V0110");
  CHECK(twice.diagnostics[0].hint.find("b.yml, line 1, column 16") != std::string::npos);
}

TEST_CASE("Load: a folder without rules, an empty file", "[rules][unit]") {
  const TemporaryFolder folder;
  const LoadResult none = LoadRules({folder.path()}, CorpusSchema());
  REQUIRE(none.diagnostics.size() == 1);
  CHECK(none.diagnostics[0].code == "V0011");
  const auto set = LoadGood("");
  CHECK(set->rules.empty());
}

TEST_CASE("Load: durations", "[rules][unit]") {
  const auto [text, ms] = GENERATE(table<std::string, int64_t>({
      {"500ms", 500},     {"10s", 10000},     {"5m", 300000},      {"1h", 3600000},
      {"2d", 172800000},  {"1h30m", 5400000}, {"1d1ms", 86400001}, {"36500d", 3153600000000},
      {"1m500ms", 60500}, {"90m", 5400000},   {"36500d1ms", -1},   {"99999999999999999999s", -1},
      {"1.5s", -1},       {"1 h", -1},        {"h", -1},           {"", -1},
      {"5", -1},          {"1w", -1},         {"1H", -1},          {"1s1s", -1},
      {"1s1m", -1},       {"+1s", -1},
  }));
  const LoadResult result = Load(Rule("{begin: x}", "within: '" + text + "'"));
  INFO(text << "\n" << FormatAll(result.diagnostics));
  REQUIRE((result.rules != nullptr) == (ms > 0));
  if (ms > 0) CHECK(result.rules->rules[0].pattern.within_ms == ms);
}

}  // namespace vigil::rules
