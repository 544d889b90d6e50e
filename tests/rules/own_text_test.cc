#include "rules/own_text.h"

#include <catch2/catch.hpp>

#include "rules/load.h"
#include "tests/rules/support.h"

namespace vigil::rules {
namespace {

namespace fs = std::filesystem;
using testing::FormatAll;

// Every rule of the texts, loaded from its own text, says the same. Returns how many there are.
size_t CheckRules(const std::vector<NamedText>& texts,
                  const std::shared_ptr<const cep::Schema>& schema) {
  const LoadResult all = LoadRuleTexts(texts, schema);
  INFO(FormatAll(all.diagnostics));
  REQUIRE(all.rules != nullptr);
  for (const CompiledRule& rule : all.rules->rules) {
    INFO(rule.text);
    const LoadResult alone = LoadRuleTexts({{"own", rule.text}}, schema);
    INFO(FormatAll(alone.diagnostics));
    REQUIRE(alone.rules != nullptr);
    REQUIRE(alone.rules->rules.size() == 1);
    CHECK(alone.rules->rules[0].content == rule.content);
    CHECK(alone.rules->rules[0].matching == rule.matching);
    CHECK(alone.rules->rules[0].text == rule.text);
  }
  return all.rules->rules.size();
}

}  // namespace

TEST_CASE("OwnText: each rule says the same on its own", "[rules][corpus]") {
  size_t rules = 0;
  for (const auto& entry : fs::directory_iterator("tests/corpus/rules/good")) {
    INFO(entry.path());
    rules += CheckRules({{"good", testing::ReadText(entry.path())}}, testing::CorpusSchema());
  }
  CHECK(rules >= 4);
}

TEST_CASE("OwnText: defines that are named come along, others do not", "[rules][unit]") {
  const std::string text = R"(version: 1
define:
  low: 10
  high: low * 100
  is_paid: "type == 'paid' && amount > high"
  channels: [web, "app", 3, 1.5, true]
  unused: 5
rules:
  - rule: one
    key: k
    pattern:
      - begin: a
        where: |
          is_paid
      - followed_by: b
        where: channel in channels
    within: 1h
    on_change: drain
  - { rule: two, key: [k], pattern: [{ begin: a, times: 2 }] }
)";
  const auto schema = std::make_shared<const cep::Schema>();
  CHECK(CheckRules({{"t", text}}, schema) == 2);
  const LoadResult loaded = LoadRuleTexts({{"t", text}}, schema);
  const std::string& one = loaded.rules->rules[0].text;
  for (const char* define : {"low", "high", "is_paid", "channels"}) {
    CHECK(one.find("\"" + std::string(define) + "\": ") != std::string::npos);
  }
  CHECK(one.find("unused") == std::string::npos);
  CHECK(loaded.rules->rules[1].text.find("define") == std::string::npos);
}

TEST_CASE("OwnText: texts of any characters", "[rules][unit]") {
  const std::string text =
      "version: 1\ndefine: { a: 1, big: a + 1 }\nrules:\n  - rule: r\n    key: k\n"
      "    description: \"tab\\t, \\x7f, \\u0085, \\U0001F600, \\\\ and \\\" 'quoted': #no\"\n"
      "    tags: [\u00e9, \"- x\", \"yes: no\", \"1\", \"null\"]\n"
      "    pattern: [{ begin: s, where: \"n ==\\nbig\" }]\n";
  CHECK(CheckRules({{"t", text}}, std::make_shared<const cep::Schema>()) == 1);
}

}  // namespace vigil::rules
