// The CEL conformance suite (tests/corpus/cel) through the function behind `vigil eval --jsonl`.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "cep/base/arena.h"
#include "cmd/eval_cases.h"
#include "cmd/typed_json.h"

namespace vigil::cmd {
namespace {

namespace fs = std::filesystem;
using cep::Value;
using cep::ValueTag;
using simdjson::dom::element;

// Same type and value: int 1 is not double 1, NaN meets NaN, a map's order does not count.
bool Identical(const Value& a, const Value& b) {
  if (a.tag != b.tag) return false;
  switch (a.tag) {
    case ValueTag::kNull:
      return true;
    case ValueTag::kBool:
      return a.b == b.b;
    case ValueTag::kInt:
    case ValueTag::kUint:
      return a.i == b.i;
    case ValueTag::kDouble:
      return a.d == b.d || (std::isnan(a.d) && std::isnan(b.d));
    case ValueTag::kTimestamp:
    case ValueTag::kDuration:
      return a.i == b.i && a.size == b.size;
    case ValueTag::kList:
      for (uint32_t i = 0; a.size == b.size && i < a.size; ++i) {
        if (!Identical(a.list[i], b.list[i])) return false;
      }
      return a.size == b.size;
    case ValueTag::kMap:
      for (uint32_t i = 0; a.size == b.size && i < a.size; ++i) {
        bool found = false;
        for (uint32_t k = 0; k < b.size && !found; ++k) {
          found =
              Identical(a.map[i].key, b.map[k].key) && Identical(a.map[i].value, b.map[k].value);
        }
        if (!found) return false;
      }
      return a.size == b.size;
    default:
      return a.text() == b.text();
  }
}

std::string Text(const element& object, std::string_view key) {
  std::string_view text;
  if (object.at_key(key).get_string().get(text)) return "";
  return std::string(text);
}

bool Passes(const element& test, const std::string& answer_text) {
  simdjson::dom::parser parser;
  element answer = parser.parse(answer_text);
  element expected = test["expected"];
  element part;
  if (!expected.at_key("error").get(part)) return !answer.at_key("error").get(part);
  bool check_only = false;
  if (!test.at_key("check_only").get_bool().get(check_only) && check_only) {
    return Text(answer, "type") == Text(expected, "type");
  }
  Arena arena;
  Value want;
  Value have;
  std::string why;
  element wanted;
  if (answer.at_key("value").get(part) || expected.at_key("value").get(wanted)) return false;
  return FromTypedJson(wanted, arena, &want, &why) && FromTypedJson(part, arena, &have, &why) &&
         Identical(want, have);
}

struct Skip {
  std::string file;
  std::string name;  // SECTION/NAME, `*` or `@messages`
  std::string reason;
  int failed = 0;
};

std::vector<Skip> ReadSkips(const fs::path& path) {
  std::vector<Skip> skips;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    Skip skip;
    std::getline(fields, skip.file, '\t');
    std::getline(fields, skip.name, '\t');
    std::getline(fields, skip.reason);
    INFO(line);
    REQUIRE_FALSE(skip.reason.empty());
    skips.push_back(skip);
  }
  return skips;
}

Skip* FindSkip(std::vector<Skip>& skips, const std::string& file, const std::string& name,
               bool messages) {
  for (Skip& skip : skips) {
    if (skip.file != file) continue;
    if (skip.name == name || skip.name == "*" || (skip.name == "@messages" && messages)) {
      return &skip;
    }
  }
  return nullptr;
}

}  // namespace

TEST_CASE("CEL conformance: every case that is not listed passes", "[cmd][corpus]") {
  const fs::path folder = fs::path(VIGIL_REPO_ROOT) / "tests/corpus/cel";
  std::vector<Skip> skips = ReadSkips(folder / "skips.txt");
  std::map<fs::path, int> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") files[entry.path()] = 0;
  }
  REQUIRE(files.size() == 25);
  int ran = 0;
  for (const auto& [path, unused] : files) {
    simdjson::dom::parser parser;
    element root = parser.load(path.string());
    for (const element test : simdjson::dom::array(root["cases"])) {
      ++ran;
      const std::string file = path.stem().string();
      const std::string name = Text(test, "section") + "/" + Text(test, "name");
      const std::string answer = AnswerCase(simdjson::minify(test));
      element flag;
      const bool messages = !test.at_key("uses_well_known_messages").get(flag);
      Skip* skip = FindSkip(skips, file, name, messages);
      const bool passes = Passes(test, answer);
      INFO(file << ": " << name << ": " << Text(test, "expr") << " → " << answer);
      if (skip == nullptr) {
        CHECK(passes);
      } else {
        skip->failed += passes ? 0 : 1;
      }
    }
  }
  CHECK(ran == 1135);
  for (const Skip& skip : skips) {
    INFO(skip.file << " " << skip.name << " is listed as not passing, but passes: remove it");
    CHECK(skip.failed > 0);
  }
}

// tests/corpus/cel_corners.jsonl: corners that the suite leaves out, one case a line in its form,
// each with the answer that cel-go 0.33.2 gives, too.
TEST_CASE("CEL corners: every case passes", "[cmd][corpus]") {
  std::ifstream in(fs::path(VIGIL_REPO_ROOT) / "tests/corpus/cel_corners.jsonl");
  int ran = 0;
  for (std::string line; std::getline(in, line); ++ran) {
    simdjson::dom::parser parser;
    const element test = parser.parse(line);
    const std::string answer = AnswerCase(line);
    INFO(Text(test, "section") << ": " << Text(test, "expr") << " → " << answer);
    CHECK(Passes(test, answer));
  }
  CHECK(ran > 700);
}

TEST_CASE("Eval cases: each line has one answer", "[cmd][unit]") {
  std::istringstream in(
      "{\"expr\":\"1 + 1\"}\n"
      "not json\n"
      "\n"
      "{\"expr\":\"x\",\"bindings\":{\"x\":{\"uint\":\"18446744073709551615\"}}}\r\n"
      "{\"expr\":\"1\",\"check_only\":true,\"colour\":\"red\"}\n"
      "{\"expr\":\"1 +\"}\n"
      "{\"noexpr\":1}\n"
      "{\"expr\":\"x\",\"bindings\":{\"x\":{\"what\":1}}}\n"
      "{\"expr\":\"b'\\\\xff'\"}");
  std::ostringstream out;
  CHECK(RunEvalCases(in, out) == 0);
  CHECK(
      out.str() ==
      "{\"value\":{\"int\":\"2\"}}\n"
      "{\"error\":\"malformed JSON: Problem while parsing an atom starting with the letter 'n'\"}\n"
      "{\"error\":\"malformed JSON: Empty: no JSON found\"}\n"
      "{\"value\":{\"uint\":\"18446744073709551615\"}}\n"
      "{\"type\":\"int\"}\n"
      "{\"error\":\"the expression ends where an expression is expected\"}\n"
      "{\"error\":\"a case has `expr`, a string\"}\n"
      "{\"error\":\"binding `x`: values of kind `what` are not supported\"}\n"
      "{\"value\":{\"bytes\":\"/w==\"}}\n");
}

}  // namespace vigil::cmd
