// What an edit makes of each rule's partial matches.
#include "daemon/running_rules.h"

#include <catch2/catch.hpp>

#include "rules/load.h"

namespace vigil::daemon {
namespace {

constexpr char kTwo[] = R"(version: 1
define: { big: 100 }
rules:
  - rule: pair
    key: [account]
    pattern:
      - begin: a
        where: type == 'login'
      - followed_by: b
        where: type == 'payment' && amount > big
    within: 1m
    alert: { summary: "${b.amount}" }
  - rule: other
    key: [account]
    pattern: [{ begin: a, where: type == 'x' }]
    within: 1m
)";

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::shared_ptr<const RunningRules> Follow(const RunningRules* before, const std::string& text) {
  rules::LoadOptions load;
  if (before != nullptr) load.layout = before->rules->layout;
  const rules::LoadResult loaded =
      rules::LoadRuleTexts({{"t.yaml", text}}, std::make_shared<cep::Schema>(), load);
  for (const auto& d : loaded.diagnostics) INFO(rules::FormatText(d));
  REQUIRE(loaded.rules != nullptr);
  const auto next = FollowRules(before, loaded.rules);
  REQUIRE(next.ok());
  return *next;
}

std::string Verdicts(const RunningRules& rules) {
  std::string text;
  for (const RuleVerdict& verdict : rules.verdicts) {
    text += verdict.rule + ":" + std::string(NameOf(verdict.verdict)) + " ";
  }
  return text;
}

TEST_CASE("RunningRules: the verdict of each edit", "[daemon][unit]") {
  const auto first = Follow(nullptr, kTwo);
  CHECK(Verdicts(*first) == "other:new pair:new ");
  struct Case {
    const char* from;
    const char* to;
    const char* verdicts;
    size_t generations;
  };
  const Case kCases[] = {
      {"version: 1\n", "# a comment\nversion: 1\n", "other:identical pair:identical ", 1},
      {"rule: pair\n", "rule: pair\n    severity: high\n", "other:identical pair:compatible ", 1},
      {"rule: pair\n", "rule: pair\n    mode: shadow\n", "other:identical pair:compatible ", 1},
      {"\"${b.amount}\"", "\"paid ${b.amount}\"", "other:identical pair:compatible ", 1},
      // The partial matches do not hold this field.
      {"\"${b.amount}\"", "\"${b.shop}\"", "other:identical pair:reset ", 2},
      {"'login'", "'log-in'", "other:identical pair:reset ", 2},
      // A define counts for the rules that name it.
      {"big: 100", "big: 200", "other:identical pair:reset ", 2},
      {"within: 1m", "within: 2m", "other:identical pair:reset ", 2},
      {"rule: other", "rule: third", "other:removed pair:identical third:new ", 2},
  };
  for (const Case& c : kCases) {
    INFO(c.to);
    const auto next = Follow(first.get(), Replaced(kTwo, c.from, c.to));
    CHECK(Verdicts(*next) == c.verdicts);
    CHECK(next->patterns->generations.size() == c.generations);
    CHECK(next->rule_keys.size() == next->rules->rules.size());
    for (const auto& keys : next->rule_keys) CHECK(keys.size() == 1);
  }
}

TEST_CASE("RunningRules: a field captured since an edit is not held by earlier partial matches",
          "[daemon][unit]") {
  const auto first = Follow(nullptr, kTwo);
  // Another rule reads `shop` of its events from here on.
  const std::string second_text =
      Replaced(kTwo, "where: type == 'x' }]\n    within: 1m\n",
               "where: type == 'x' }]\n    within: 1m\n    alert: { summary: \"${a.shop}\" }\n");
  const auto second = Follow(first.get(), second_text);
  CHECK(Verdicts(*second) == "other:reset pair:identical ");
  const auto third =
      Follow(second.get(), Replaced(second_text, "\"${b.amount}\"", "\"${b.shop}\""));
  CHECK(Verdicts(*third) == "other:identical pair:reset ");
}

TEST_CASE("RunningRules: a generation goes with its last rule", "[daemon][unit]") {
  auto running = Follow(nullptr, kTwo);
  for (int i = 0; i < 5; ++i) {
    running = Follow(running.get(), Replaced(kTwo, "'login'", "'login" + std::to_string(i) + "'"));
    CHECK(running->patterns->generations.size() == 2);
  }
  const std::string both = Replaced(Replaced(kTwo, "'login'", "'l'"), "'x'", "'y'");
  running = Follow(running.get(), both);
  CHECK(running->patterns->generations.size() == 1);
}

}  // namespace
}  // namespace vigil::daemon
