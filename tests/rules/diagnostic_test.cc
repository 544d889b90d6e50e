// How diagnostics look.

#include "rules/diagnostic.h"

#include <set>

#include <catch2/catch.hpp>

#include "rules/cel/issues.h"
#include "rules/diagnostic_codes.h"
#include "rules/source_text.h"

namespace vigil::rules {
namespace {

Diagnostic Example() {
  Diagnostic d;
  d.code = "V0102";
  d.message = "unknown field `amout`";
  d.file = "rules/takeover.yaml";
  d.line = 12;
  d.column = 41;
  d.length = 5;
  d.excerpt = "        where: type == \"transaction\" && amout > 10000.0";
  d.hint = "did you mean `amount`?";
  return d;
}

}  // namespace

TEST_CASE("Diagnostic: the text that the design shows", "[rules][unit]") {
  CHECK(FormatText(Example()) ==
        "error[V0102]: unknown field `amout`\n"
        "  --> rules/takeover.yaml:12:41\n"
        "   |\n"
        "12 |         where: type == \"transaction\" && amout > 10000.0\n"
        "   |                                         ^^^^^ did you mean `amount`?\n");
}

TEST_CASE("Diagnostic: of a file as a whole", "[rules][unit]") {
  Diagnostic d = Example();
  d.level = Level::kWarning;
  d.line = d.column = 0;
  CHECK(FormatText(d) ==
        "warning[V0102]: unknown field `amout`\n"
        " --> rules/takeover.yaml\n"
        "  = did you mean `amount`?\n");
}

TEST_CASE("Diagnostic: JSON", "[rules][unit]") {
  CHECK(FormatJson({}) == "[]\n");
  Diagnostic d = Example();
  d.excerpt = "a\t\"\\\xff\x01";
  CHECK(FormatJson({d}) ==
        "[\n  {\"level\": \"error\", \"code\": \"V0102\", \"message\": \"unknown field `amout`\", "
        "\"file\": \"rules/takeover.yaml\", \"line\": 12, \"column\": 41, \"length\": 5, "
        "\"excerpt\": \"a\\u0009\\\"\\\\\xef\xbf\xbd\\u0001\", "
        "\"hint\": \"did you mean `amount`?\"}\n]\n");
}

TEST_CASE("Diagnostic: the caret stands under the token in a terminal", "[rules][unit]") {
  // excerpt, column, length → what is printed below it, from the bar on.
  const auto [excerpt, column, length, below] =
      GENERATE(table<std::string, uint32_t, uint32_t, std::string>({
          {"abc", 2, 1, " ^"},
          {"\tabc", 2, 3, "\t^^^"},
          {"東京 abc", 4, 3, "     ^^^"},
          {"東京", 1, 2, "^^^^"},
          {"e\xcc\x81 x", 4, 1, "  ^"},
          {"abc", 4, 1, "   ^"},
          {"abc", 1, 0, "^"},
          {"", 1, 1, "^"},
      }));
  Diagnostic d;
  d.line = 1;
  d.column = column;
  d.length = length;
  d.excerpt = excerpt;
  const std::string text = FormatText(d);
  INFO(text);
  const size_t bar = text.rfind("| ");
  CHECK(text.substr(bar + 2) == below + "\n");
}

TEST_CASE("Diagnostic: control characters do not reach the terminal", "[rules][unit]") {
  Diagnostic d;
  d.line = 1;
  d.column = 1;
  d.excerpt = "\x1b[31m\x7f\xc2\x9b";
  const std::string text = FormatText(d);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find('\x7f') == std::string::npos);
  CHECK(text.find('\x9b') == std::string::npos);
}

TEST_CASE("Reporter: long lines are clipped around the place", "[rules][unit]") {
  const SourceText source("f", std::string(100000, 'a') + "TOKEN" + std::string(100000, 'b'));
  Reporter reporter;
  reporter.Report(Code::kNotYaml, {&source, {100000, 100005}}, "x");
  const std::vector<Diagnostic> found = reporter.Take();
  REQUIRE(found.size() == 1);
  CHECK(found[0].column == 100001);
  CHECK(found[0].excerpt.size() <= 400);
  const std::string text = FormatText(found[0]);
  const size_t line = text.find("TOKEN") - text.rfind('\n', text.find("TOKEN"));
  // The ellipsis has three bytes and one column.
  CHECK(line - 2 == text.find("^^^^^") - text.rfind('\n', text.find("^^^^^")));
}

TEST_CASE("Reporter: the same problem is said once, too many are cut off", "[rules][unit]") {
  const SourceText source("f", "a\nb\n");
  Reporter reporter;
  reporter.Report(Code::kUnknownKey, {&source, {2, 3}}, "second");
  reporter.Report(Code::kUnknownKey, {&source, {0, 1}}, "first");
  reporter.Report(Code::kUnknownKey, {&source, {0, 1}}, "first");
  CHECK(reporter.errors() == 2);
  const std::vector<Diagnostic> found = reporter.Take();
  REQUIRE(found.size() == 2);
  CHECK(found[0].message == "first");
  Reporter many;
  for (int i = 0; i < 5000; ++i) {
    many.Report(Code::kUnknownKey, {&source, {0, 1}}, std::to_string(i));
  }
  const std::vector<Diagnostic> capped = many.Take();
  CHECK(capped.size() == Reporter::kMaxProblems + 1);
  CHECK(capped.back().code == "V0010");
}

TEST_CASE("Codes: each is given once, to rules and to expressions", "[rules][unit]") {
  std::set<std::string_view> codes;
  for (size_t i = 0; i < CodeTable().size(); ++i) {
    CHECK(static_cast<size_t>(CodeTable()[i].code) == i);
    CHECK(codes.insert(CodeTable()[i].text).second);
  }
  for (const cel::IssueRow& row : cel::IssueTable()) {
    // A code outside V02xx is one of the first table.
    CHECK(codes.insert(row.text).second == (row.text.substr(0, 3) == "V02"));
  }
}

}  // namespace vigil::rules
