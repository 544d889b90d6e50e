// Every case recorded from Flink CEP: what Flink refuses is refused when the rule is loaded, all
// else is accepted.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "rules/load.h"
#include "rules/schema_file.h"
#include "rules/yaml_reader.h"

namespace vigil::rules {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string name;
  std::string rule_file;
  std::string schema_file;
  bool is_refused = false;
};

// Cases are JSON, which is YAML: their parts are cut out of the line where the reader found them.
Case ParseCase(const std::string& line) {
  Reporter reporter;
  const auto document = ReadYaml("case", line, &reporter);
  REQUIRE(document->root != nullptr);
  const Node& root = *document->root;
  const auto text_of = [&](const Node& node) {
    return line.substr(node.range.begin, node.range.end - node.range.begin);
  };
  Case out;
  out.name = std::string(root.Find("name")->value);
  std::string rule = text_of(*root.Find("rule"));
  const size_t name_key = rule.find("\"name\":");
  REQUIRE(name_key != std::string::npos);
  rule.replace(name_key, 7, "\"rule\":");
  out.rule_file = "{\"version\": 1, \"rules\": [" + rule + "]}";
  out.schema_file = "{\"fields\": " + text_of(*root.Find("fields")) + "}";
  out.is_refused = root.Find("expected")->Find("error") != nullptr;
  return out;
}

std::vector<fs::path> CorpusFiles() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator("tests/corpus/patterns")) {
    if (entry.path().extension() == ".jsonl") files.push_back(entry.path());
  }
  return files;
}

}  // namespace

TEST_CASE("Flink cases: refused and accepted rules are the same", "[rules][corpus]") {
  size_t cases = 0;
  size_t refused = 0;
  for (const fs::path& path : CorpusFiles()) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      const Case c = ParseCase(line);
      const SchemaResult schema = LoadSchemaText("schema", c.schema_file);
      REQUIRE(schema.schema != nullptr);
      const LoadResult result = LoadRuleTexts({{"rule", c.rule_file}}, schema.schema);
      std::string diagnostics;
      for (const Diagnostic& d : result.diagnostics) diagnostics += FormatText(d);
      INFO(path << " " << c.name << "\n" << c.rule_file << "\n" << diagnostics);
      CHECK((result.rules == nullptr) == c.is_refused);
      if (result.rules != nullptr) CHECK(result.rules->rules.size() == 1);
      ++cases;
      refused += c.is_refused;
    }
  }
  CHECK(cases > 1700);
  CHECK(refused >= 33);
}

}  // namespace vigil::rules
