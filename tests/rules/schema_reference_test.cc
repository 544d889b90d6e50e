// What is generated from the table of keys: the reference in the guide, and the JSON Schema. And
// the guide's examples.

#include "rules/schema_reference.h"

#include <cstdio>
#include <cstdlib>
#include <set>

#include <catch2/catch.hpp>

#include "rules/load.h"
#include "rules/schema_table.h"
#include "rules/yaml_reader.h"
#include "tests/rules/support.h"

namespace vigil::rules {
namespace {

namespace fs = std::filesystem;
using testing::CorpusSchema;
using testing::FormatAll;
using testing::ReadText;

constexpr const char* kGuide = "docs/rule-language.md";
constexpr const char* kReferenceBegin = "rules/cel/issues.cc. -->\n\n";

struct Block {
  std::string info;  // after ```yaml
  std::string text;
  size_t line = 0;
};

std::vector<Block> YamlBlocks(const std::string& markdown) {
  std::vector<Block> blocks;
  std::istringstream lines(markdown);
  std::string line;
  for (size_t number = 1; std::getline(lines, line); ++number) {
    if (line.rfind("```yaml", 0) != 0) continue;
    Block block{line.substr(7), "", number};
    for (++number; std::getline(lines, line) && line != "```"; ++number) block.text += line + "\n";
    blocks.push_back(std::move(block));
  }
  return blocks;
}

void CollectRefs(const Node& node, std::set<std::string>* refs) {
  if (node.is_mapping()) {
    for (size_t i = 0; i < node.entries(); ++i) {
      if (node.key(i).value == "$ref") refs->emplace(node.entry(i).value);
    }
  }
  for (const Node& child : node.children) CollectRefs(child, refs);
}

}  // namespace

TEST_CASE("Guide: its reference is what the tables say", "[rules][unit]") {
  const std::string guide = ReadText(kGuide);
  const size_t begin = guide.find(kReferenceBegin);
  REQUIRE(begin != std::string::npos);
  const std::string head = guide.substr(0, begin + std::string(kReferenceBegin).size());
  if (std::getenv("VIGIL_UPDATE_EXPECTED") != nullptr) {
    std::ofstream(kGuide, std::ios::binary) << head << ReferenceMarkdown();
    return;
  }
  INFO("run this test with VIGIL_UPDATE_EXPECTED=1 to write it anew");
  CHECK(guide == head + ReferenceMarkdown());
}

TEST_CASE("Guide: every example loads", "[rules][unit]") {
  size_t examples = 0;
  for (const Block& block : YamlBlocks(ReadText(kGuide))) {
    if (block.info == " fragment" || block.info == " pattern") continue;
    std::vector<Diagnostic> diagnostics;
    if (block.info == " schema") {
      diagnostics = LoadSchemaText("example", block.text).diagnostics;
    } else {
      diagnostics = LoadRuleTexts({{"example", block.text}}, CorpusSchema()).diagnostics;
      ++examples;
    }
    INFO(kGuide << ":" << block.line << "\n" << FormatAll(diagnostics));
    CHECK(diagnostics.empty());
  }
  CHECK(examples >= 8);
}

TEST_CASE("JSON Schema: names every key, and refers to what it holds", "[rules][unit]") {
  Reporter reporter;
  const auto document = ReadYaml("schema", RuleJsonSchema(), &reporter);
  REQUIRE(document->root != nullptr);
  const Node* defs = document->root->Find("$defs");
  REQUIRE(defs != nullptr);
  for (const KeyRow& row : RuleLanguage().keys()) {
    const Node* section = defs->Find(RuleLanguage().RowOf(row.section).id);
    REQUIRE(section != nullptr);
    INFO(row.name);
    CHECK((section->Find("properties")->Find(row.name) != nullptr) == row.options.is_supported);
    CHECK(section->Find("additionalProperties")->value == "false");
  }
  std::set<std::string> refs;
  CollectRefs(*document->root, &refs);
  CHECK(refs.size() == RuleLanguage().sections().size());
  for (const std::string& ref : refs) CHECK(defs->Find(ref.substr(8)) != nullptr);
}

// With a real validator, where one is installed: what loads is valid, and common mistakes are not.
TEST_CASE("JSON Schema: accepts good rules and refuses bad ones", "[rules][unit]") {
  if (std::system("python3 -c 'import jsonschema' 2>/dev/null") != 0) {
    WARN("skipped: python3 has no jsonschema");
    return;
  }
  const auto [rule, is_valid] = GENERATE(table<std::string, bool>({
      {R"({"rule": "r", "key": "k", "pattern": [{"begin": "x", "times": "2..4"}]})", true},
      {R"({"rule": "r", "key": ["k"], "pattern": [{"begin": "x", "times": 3, "where": true}],
           "within": "1h30m", "after_match": {"skip_to_first": "x"}, "mode": "off",
           "alert": {"fields": {"a": 1}, "to": "x"}, "on_timeout": {}})",
       true},
      {R"({"rule": "r", "key": "k", "pattern": [{"begin": "g", "group": [{"begin": "x"}]}]})",
       true},
      {R"({"rule": "R", "key": "k", "pattern": [{"begin": "x"}]})", false},
      {R"({"rule": "r", "pattern": [{"begin": "x"}]})", false},
      {R"({"rule": "r", "key": "k", "pattern": [{"next": "x", "begin": "y"}]})", false},
      {R"({"rule": "r", "key": "k", "pattern": [{"where": "a"}]})", false},
      {R"({"rule": "r", "key": "k", "pattern": [], "wihtin": "1h"})", false},
      {R"({"rule": "r", "key": "k", "pattern": [], "within": "1 hour"})", false},
      {R"({"rule": "r", "key": "k", "pattern": [], "severity": "hihg"})", false},
      {R"({"rule": "r", "key": "k", "pattern": [], "after_match": {}})", false},
      {R"({"rule": "r", "key": "k", "pattern": [], "limits": {"events_per_match": 0}})", false},
      {R"({"rule": "r", "key": "k", "pattern": [{"begin": "x", "times": "some"}]})", false},
  }));
  const fs::path folder = fs::temp_directory_path() / "vigil-json-schema-test";
  fs::create_directories(folder);
  std::ofstream(folder / "schema.json") << RuleJsonSchema();
  std::ofstream(folder / "rules.json") << R"({"version": 1, "rules": [)" + rule + "]}";
  std::ofstream(folder / "validate.py")
      << "import json, sys, jsonschema\n"
         "schema, rules = (json.load(open(p)) for p in sys.argv[1:])\n"
         "jsonschema.Draft202012Validator.check_schema(schema)\n"
         "sys.exit(0 if jsonschema.Draft202012Validator(schema).is_valid(rules) else 1)\n";
  const std::string command = "python3 " + (folder / "validate.py").string() + " " +
                              (folder / "schema.json").string() + " " +
                              (folder / "rules.json").string();
  INFO(rule);
  CHECK((std::system(command.c_str()) == 0) == is_valid);
  fs::remove_all(folder);
}

}  // namespace vigil::rules
