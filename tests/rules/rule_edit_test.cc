// One rule put into, and taken out of, files as people write them.
#include "rules/rule_edit.h"

#include <catch2/catch.hpp>

namespace vigil::rules {
namespace {

constexpr char kFile[] = R"(# Ours.
version: 1
defines:
  big: amount > 10.0
rules:
  # The first.
  - rule: a
    key: account   # whose
    pattern:
      - begin: one
        where: >
          big &&
          type == "x"

  # The second.
  - rule: b
    key: account
    pattern: [{ begin: one, where: "true" }]
  - { rule: c, key: account, pattern: [{ begin: one, where: big }] }
)";

constexpr char kNewB[] = R"(# mine
rule: b
key: card
pattern:
  - begin: two
    where: |
      amount > 1.0
)";

StatusOr<std::string> Put(const std::string& file, const std::string& id, const std::string& rule) {
  StatusOr<EditedFile> edited = PutRule({"f.yaml", file}, id, rule);
  if (!edited.ok()) return edited.status();
  return edited->text;
}

StatusOr<std::string> Remove(const std::string& file, const std::string& id) {
  bool is_empty = false;
  return RemoveRule({"f.yaml", file}, id, &is_empty);
}

std::string With(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("RuleText: a rule as it is written, as if it stood alone", "[rules][unit]") {
  CHECK(*RuleText({"f", kFile}, "a") ==
        "rule: a\nkey: account   # whose\npattern:\n  - begin: one\n    where: >\n"
        "      big &&\n      type == \"x\"\n");
  CHECK(*RuleText({"f", kFile}, "b") ==
        "rule: b\nkey: account\npattern: [{ begin: one, where: \"true\" }]\n");
  CHECK(*RuleText({"f", kFile}, "c") ==
        "{ rule: c, key: account, pattern: [{ begin: one, where: big }] }\n");
  CHECK(absl::IsNotFound(RuleText({"f", kFile}, "d").status()));
  CHECK(absl::IsNotFound(RuleText({"f", "[1, 2"}, "d").status()));
  CHECK(RuleIds({"f", kFile}) == std::vector<std::string>{"a", "b", "c"});
  CHECK(RuleIds({"f", "rules: 3"}).empty());
}

TEST_CASE("PutRule: only the rule changes, comments and all else stay", "[rules][unit]") {
  const std::string b =
      "rule: b\n    key: account\n    pattern: [{ begin: one, where: \"true\" }]\n";
  const std::string new_b =
      "rule: b\n    key: card\n    pattern:\n      - begin: two\n        where: |\n"
      "          amount > 1.0\n";
  const StatusOr<EditedFile> edited = PutRule({"f.yaml", kFile}, "b", kNewB);
  REQUIRE(edited.ok());
  CHECK(edited->text == With(kFile, b, new_b));
  CHECK(edited->first_line == 16);
  CHECK(edited->indent == 4);
  // What was taken out of the text can be put back: nothing changes.
  for (const char* id : {"a", "b", "c"}) {
    INFO(id);
    CHECK(*Put(kFile, id, *RuleText({"f", kFile}, id)) == kFile);
  }
  // The last one, written in brackets, by one that is not.
  CHECK(*Put(kFile, "c", "rule: c\nkey: card\n") ==
        With(kFile, "{ rule: c, key: account, pattern: [{ begin: one, where: big }] }",
             "rule: c\n    key: card"));
  // JSON is YAML.
  CHECK(*Put(kFile, "c", R"({"rule": "c", "key": "card"})") ==
        With(kFile, "{ rule: c, key: account, pattern: [{ begin: one, where: big }] }",
             R"({"rule": "c", "key": "card"})"));
}

TEST_CASE("PutRule: a new rule goes behind the others", "[rules][unit]") {
  CHECK(*Put(kFile, "d", "rule: d\nkey: x\n") == std::string(kFile) + "  - rule: d\n    key: x\n");
  CHECK(*Put("version: 1\nrules: []\n", "d", "rule: d\nkey: x\n") ==
        "version: 1\nrules:\n  - rule: d\n    key: x\n");
  CHECK(*Put("version: 1\nrules:\n- rule: a\n  key: y", "d", "rule: d\nkey: x\n") ==
        "version: 1\nrules:\n- rule: a\n  key: y\n- rule: d\n  key: x\n");
  CHECK(*Put("rules:\n- rule: a\n  key: y\nversion: 1\n", "d", "rule: d\n") ==
        "rules:\n- rule: a\n  key: y\n- rule: d\nversion: 1\n");
  CHECK(NewRuleFile("d", "rule: d\nkey: x")->text ==
        "version: 1\nrules:\n  - rule: d\n    key: x\n");
}

TEST_CASE("RemoveRule: takes its lines, and leaves a file that is one", "[rules][unit]") {
  CHECK(*Remove(kFile, "b") ==
        With(kFile,
             "  - rule: b\n    key: account\n    pattern: [{ begin: one, where: \"true\" }]\n",
             ""));
  CHECK(*Remove(kFile, "c") ==
        With(kFile, "  - { rule: c, key: account, pattern: [{ begin: one, where: big }] }\n", ""));
  CHECK(*Remove("version: 1\nrules:\n  - rule: a\n    key: y\n# end\n", "a") ==
        "version: 1\nrules: []\n# end\n");
  CHECK(*Remove("rules: [{rule: a}, {rule: b}, {rule: c}]\n", "b") ==
        "rules: [{rule: a}, {rule: c}]\n");
  CHECK(*Remove("rules: [{rule: a}, {rule: b}]\n", "a") == "rules: [{rule: b}]\n");
  CHECK(*Remove(R"({"version": 1, "rules": [{"rule": "a"}]})", "a") ==
        R"({"version": 1, "rules": []})");
  CHECK(absl::IsNotFound(Remove(kFile, "d").status()));
  bool is_empty = false;
  REQUIRE(RemoveRule({"f", "version: 1\nrules:\n- rule: a\n"}, "a", &is_empty).ok());
  CHECK(is_empty);
  REQUIRE(RemoveRule({"f", "defines: {x: 1}\nrules:\n- rule: a\n"}, "a", &is_empty).ok());
  CHECK_FALSE(is_empty);
}

TEST_CASE("PutRule: what cannot be done exactly is refused", "[rules][unit]") {
  for (const char* rule : {"", "- rule: d\n", "key: x\n", "rule: e\n", "rule: [d]\n",
                           "rule: d\n\x01", "  rule: d\n", "[1", "rule: d\n---\nrule: d\n"}) {
    INFO(rule);
    CHECK(absl::IsInvalidArgument(Put(kFile, "d", rule).status()));
  }
  // One behind others that stand in brackets; a list that is an alias; anchors that others use.
  CHECK(absl::IsFailedPrecondition(Put("rules: [{rule: a}]\n", "d", "rule: d\n").status()));
  CHECK(absl::IsFailedPrecondition(Put("version: 1\n", "d", "rule: d\n").status()));
  CHECK(absl::IsFailedPrecondition(
      Put("rules:\n  - rule: a\n    key: &k y\n  - rule: b\n    key: *k\n", "a", "rule: a\n")
          .status()));
  CHECK(absl::IsFailedPrecondition(
      Remove("rules:\n  - rule: a\n    key: &k y\n  - rule: b\n    key: *k\n", "a").status()));
  // A rule that is written across an alias's place stays whole.
  const std::string aliased = "rules:\n  - rule: a\n    key: &k y\n  - rule: b\n    key: *k\n";
  const StatusOr<std::string> put = Put(aliased, "b", "rule: b\nkey: z\n");
  if (put.ok()) CHECK(RuleText({"f", *put}, "a").ok());
}

}  // namespace
}  // namespace vigil::rules
