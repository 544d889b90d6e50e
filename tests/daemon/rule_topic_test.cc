// What the messages of a topic of rules say, hostile ones too.
#include "daemon/rule_topic.h"

#include <catch2/catch.hpp>

#include "rules/diagnostic.h"
#include "rules/yaml_reader.h"

namespace vigil::daemon {
namespace {

std::string Names(const RuleTable& table) {
  std::string all;
  for (const rules::NamedText& file : table.Texts().texts) all += file.name + " ";
  return all;
}

TEST_CASE("RuleTable: the last message of a key counts, a tombstone takes it away",
          "[daemon][unit]") {
  RuleTable table;
  REQUIRE(table.Take("b", "version: 1").ok());
  REQUIRE(table.Take("a", "version: 1\nrules: []").ok());
  REQUIRE(table.Take("b", "version: 2").ok());
  CHECK(Names(table) == "a b ");
  CHECK(table.Texts().texts[1].text == "version: 2");
  REQUIRE(table.Take("b", std::nullopt).ok());
  REQUIRE(table.Take("never", std::nullopt).ok());
  CHECK(Names(table) == "a ");
  CHECK(table.Texts().diagnostics.empty());
}

TEST_CASE("RuleTable: one rule stands for a file", "[daemon][unit]") {
  RuleTable table;
  REQUIRE(table.Take("r", "rule: r\nkey: a\n").ok());
  REQUIRE(table.Take("s", "rule: other\n").ok());
  CHECK(table.Texts().texts[0].text == "version: 1\nrules:\n  - rule: r\n    key: a\n");
  CHECK(table.Texts().texts[1].text == "rule: other\n");  // which loading refuses
}

TEST_CASE("RuleTable: what names nothing counts for nothing, what is too much makes the set bad",
          "[daemon][unit]") {
  RuleTable table;
  CHECK(absl::IsInvalidArgument(table.Take("", "x")));
  CHECK(absl::IsInvalidArgument(table.Take("\xff", "x")));
  CHECK(absl::IsInvalidArgument(table.Take(std::string(513, 'k'), "x")));
  CHECK(Names(table).empty());
  REQUIRE(table.Take("long", std::string(rules::kMaxFileBytes + 1, ' ')).ok());
  CHECK(rules::HasErrors(table.Texts().diagnostics));
  REQUIRE(table.Take("long", "version: 1").ok());
  CHECK_FALSE(rules::HasErrors(table.Texts().diagnostics));
  // All together are bounded: four of 16 MiB fill it.
  const std::string half(rules::kMaxFileBytes, ' ');
  for (const char* name : {"1", "2", "3"}) REQUIRE(table.Take(name, half).ok());
  CHECK_FALSE(rules::HasErrors(table.Texts().diagnostics));
  REQUIRE(table.Take("4", half).ok());
  CHECK(rules::HasErrors(table.Texts().diagnostics));
  REQUIRE(table.Take("3", std::nullopt).ok());
  REQUIRE(table.Take("4", half).ok());
  CHECK_FALSE(rules::HasErrors(table.Texts().diagnostics));
}

}  // namespace
}  // namespace vigil::daemon
