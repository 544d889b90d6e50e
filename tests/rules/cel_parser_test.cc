// Lexer and parser of rules/cel: the shape of trees, exact places of errors, limits.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "rules/cel/ast.h"
#include "rules/cel/lexer.h"
#include "rules/cel/parser.h"
#include "rules/cel/text.h"

namespace vigil::rules::cel {
namespace {

std::string Repeat(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::vector<Issue> IssuesOf(const std::string& text) {
  Ast ast;
  IssueList issues;
  Parse(text, {}, ast, issues);
  return issues.TakeSorted();
}

std::string Canonical(const std::string& text) {
  Ast ast;
  IssueList issues;
  const Expr* root = Parse(text, {}, ast, issues);
  INFO(text);
  CHECK_FALSE(issues.has_errors());
  return ToText(*root);
}

}  // namespace

TEST_CASE("CEL parser: trees print as canonical text", "[rules][unit]") {
  struct Row {
    std::string text;
    std::string canonical;
  };
  const std::vector<Row> rows = {
      {"1+2*3", "1 + 2 * 3"},
      {"(1+2)*3", "(1 + 2) * 3"},
      {"1-(2-3)", "1 - (2 - 3)"},
      {"1-2-3", "1 - 2 - 3"},
      {"a&&b||c", "a && b || c"},
      {"a&&(b||c)", "a && (b || c)"},
      {"(a&&b)&&c", "(a && b) && c"},
      {"a?b:c?d:e", "a ? b : c ? d : e"},
      {"(a?b:c)?d:e", "(a ? b : c) ? d : e"},
      {"!a.b", "!a.b"},
      {"!(a&&b)", "!(a && b)"},
      {"- -1", "-(-1)"},
      {"-(1)", "-(1)"},
      {"a in[1,2u,3.0,]", "a in [1, 2u, 3.0]"},
      {"{'a':1,\"b\":[],}", "{\"a\": 1, \"b\": []}"},
      {"x.f(1).g", "x.f(1).g"},
      {"f( x , y )", "f(x, y)"},
      {"has( a.b )", "has(a.b)"},
      {"l.all(x,x>0)", "l.all(x, x > 0)"},
      {"l.map(x,x>0,x*2)", "l.map(x, x > 0, x * 2)"},
      {"a.`b-c`", "a.`b-c`"},
      {"a.for", "a.for"},
      {".a", ".a"},
      {".f(.a)", ".f(.a)"},
      {".has(a)", ".has(a)"},
      {"t_() + _x_(1)", "t_() + _x_(1)"},
      {"-(1.a)", "-(1.a)"},
      {"-(1.f(2)[3])", "-(1.f(2)[3])"},
      {"-(a.f(2)[3])", "-a.f(2)[3]"},
      {"[,]", "[]"},
      {"{,}", "{}"},
      {"1 // comment\n + 2", "1 + 2"},
      {"0x1F", "31"},
      {"0xFFu", "255u"},
      {".5", "0.5"},
      {"1e3", "1000.0"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"r'a\\n'", "\"a\\\\n\""},
      {"'''a\n\"b\"'''", "\"a\\n\\\"b\\\"\""},
      {"b'\\xff\\101'", "b\"\\xffA\""},
      {"'\\u00e9\\U0001F600'", "\"\u00e9\U0001F600\""},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(Canonical(row.text) == row.canonical);
    CHECK(Canonical(row.canonical) == row.canonical);
  }
}

TEST_CASE("CEL parser: errors point at the exact token", "[rules][unit]") {
  struct Row {
    std::string text;
    uint32_t begin;
    uint32_t end;
    std::string code;
    std::string message;
  };
  const std::vector<Row> rows = {
      {"", 0, 0, "V0201", "the expression ends where an expression is expected"},
      {"a = 1", 2, 3, "V0201", "unexpected character `=`"},
      {"a & b", 2, 3, "V0201", "unexpected character `&`"},
      {"a and b", 2, 5, "V0201", "unexpected `and`, expected the end of the expression"},
      {"(1 + 2", 6, 6, "V0201", "the expression ends where `)` is expected"},
      {"[1, 2", 5, 5, "V0201", "the expression ends where `,` or `]` is expected"},
      {"f(1 2)", 4, 5, "V0201", "unexpected `2`, expected `,` or `)`"},
      {"a ? b", 5, 5, "V0201", "the expression ends where `:` of a conditional `? :` is expected"},
      {"{1 2}", 3, 4, "V0201", "unexpected `2`, expected `:` after a map's key"},
      {"a.1", 1, 3, "V0201", "unexpected `.1`, expected the end of the expression"},
      {"a.", 2, 2, "V0201", "the expression ends where a field or function name is expected"},
      {"'abc", 0, 4, "V0201", "unfinished string literal"},
      {"'a\nb'", 0, 2, "V0201", "unfinished string literal"},
      {"x == \"a\\qb\"", 7, 9, "V0202", "`\\q` is not an escape sequence"},
      {"'\\u12'", 1, 3, "V0202", "`\\u` needs 4 hexadecimal digits"},
      {"'\\ud800'", 1, 7, "V0202", "`\\ud800` is not a Unicode character"},
      {"b'\\u0041'", 2, 4, "V0202", "`\\u` is not allowed in a bytes literal"},
      {"9223372036854775808", 0, 19, "V0202", "`9223372036854775808` is out of range"},
      {"1 + 18446744073709551616u", 4, 25, "V0202", "`18446744073709551616u` is out of range"},
      {"-1u", 0, 3, "V0202", "`-1u` is out of range"},
      {"5m > x", 0, 2, "V0201", "malformed number `5m`"},
      {"x + for", 4, 7, "V0204", "`for` is a reserved word"},
      {"has(x)", 0, 3, "V0205", "`has` takes one field selection"},
      {"l.all(1, true)", 6, 7, "V0205",
       "the first argument of `all` must be the name of a variable"},
      {"a.`b", 2, 4, "V0201", "unfinished quoted field name"},
      {"a \xc3\xa9 b", 2, 4, "V0201", "unexpected character `\xc3\xa9`"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const std::vector<Issue> issues = IssuesOf(row.text);
    REQUIRE_FALSE(issues.empty());
    CHECK(issues[0].begin == row.begin);
    CHECK(issues[0].end == row.end);
    CHECK(issues[0].code == row.code);
    CHECK(issues[0].message == row.message);
  }
}

TEST_CASE("CEL parser: several errors are reported at once", "[rules][unit]") {
  struct Row {
    std::string text;
    std::vector<uint32_t> begins;
  };
  const std::vector<Row> rows = {
      {"(1 + ] && 'a\\q' == x", {5, 12}},
      {"[1, , 2, *] && 5m", {4, 9, 15}},
      {"f(a b, c d)", {4, 9}},
      {"x = 1 && y = 2", {2, 11}},
      {"a b && c d", {2, 9}},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    std::vector<uint32_t> begins;
    for (const Issue& issue : IssuesOf(row.text)) begins.push_back(issue.begin);
    CHECK(begins == row.begins);
  }
}

TEST_CASE("CEL parser: hostile input ends in one error", "[rules][unit]") {
  const size_t n = 60'000;
  const std::vector<std::string> inputs = {
      std::string(n, '('),       std::string(n, '['),       std::string(n, '!'),
      std::string(n, '-'),       std::string(n, '{'),       Repeat("{1:", n / 3),
      Repeat("a?b:", n / 4),     Repeat("f(", n / 2),       Repeat("a.", n / 2) + "a",
      Repeat("a+", n / 2) + "a", Repeat("a[", n / 2),       Repeat("x.all(a,", n / 8),
      std::string(100'000, '('), std::string(100'000, '!'), Repeat("a[0]", 100'000),
  };
  for (const std::string& input : inputs) {
    INFO(input.substr(0, 20));
    const std::vector<Issue> issues = IssuesOf(input);
    REQUIRE(issues.size() == 1);
    CHECK(issues[0].code == "V0203");
  }
}

TEST_CASE("CEL parser: 250 levels are fine, 251 are not; long chains cost no depth",
          "[rules][unit]") {
  CHECK(IssuesOf(Repeat("(", 250) + "1" + Repeat(")", 250)).empty());
  CHECK(IssuesOf(Repeat("(", 251) + "1" + Repeat(")", 251)).size() == 1);
  CHECK(IssuesOf(Repeat("!", 250) + "a").empty());
  CHECK(IssuesOf(Repeat("!", 251) + "a").size() == 1);
  CHECK(IssuesOf(Repeat("a || ", 10'000) + "a").empty());
  CHECK(IssuesOf(Repeat("a == 1 && ", 5'000) + "a").empty());
  CHECK(IssuesOf(Repeat("a + ", 900) + "a").empty());
}

}  // namespace vigil::rules::cel
