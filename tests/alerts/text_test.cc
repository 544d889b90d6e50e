// Text for a terminal: layout, cutting, colours, and that nothing of an event can control the
// terminal.

#include "alerts/text.h"

#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "alerts/builder.h"
#include "tests/alerts/fakes.h"

namespace vigil::alerts {
namespace {

std::string Printable(std::string_view text, uint32_t columns = kNoLimit) {
  std::string out;
  AppendPrintable(text, columns, &out);
  return out;
}

std::string TextOf(RuleInfo rule, FakeMatch match, bool colour = false) {
  auto context = ContextOf({std::move(rule)});
  context->format = Format::kText;
  context->colour = colour;
  context->text_width = 100;
  AlertBuilder builder(context);
  builder.OnMatch(match.get());
  const cep::Record record = builder.Take()[0];
  CHECK(record.tail.empty());
  return record.head;
}

}  // namespace

TEST_CASE("AppendPrintable: escapes what could control a terminal", "[alerts][unit]") {
  struct Row {
    std::string_view text;
    std::string_view shown;
  };
  const Row rows[] = {
      {"plain é€😀", "plain é€😀"},
      {"\x1b[2J\x1b]0;owned\x07", "\\u001b[2J\\u001b]0;owned\\u0007"},
      {"a\nb\r\tc\x7f", "a\\u000ab\\u000d\\u0009c\\u007f"},
      {"\xC2\x9B"
       "31m",
       "\\u009b31m"},  // C1: CSI in one character
      {"\xE2\x80\xAE"
       "evil",
       "\\u202eevil"},  // right-to-left override
      {"a\xE2\x80\x8B"
       "b",
       "a\\u200bb"},  // zero width space
      {"\xF3\xA0\x81\x81", "\\u{e0041}"},
      {"\x9B\xff", "\uFFFD\uFFFD"},
      {std::string_view("\0", 1), "\\u0000"},
  };
  for (const Row& row : rows) CHECK(Printable(row.text) == row.shown);
}

TEST_CASE("AppendPrintable: cuts at the columns given", "[alerts][unit]") {
  CHECK(Printable("abcdef", 6) == "abcdef");
  CHECK(Printable("abcdef", 5) == "abcd…");
  CHECK(Printable("é€😀é", 3) == "é€…");
  CHECK(Printable("ab\x1b", 7) == "ab…");
  CHECK(Printable("ab\x1b", 8) == "ab\\u001b");
  CHECK(Printable("abc", 1) == "…");
  CHECK(Printable("abc", 0).empty());
}

TEST_CASE("AppendAlertText: a headline and a line per event", "[alerts][unit]") {
  RuleInfo rule = TakeoverRule();
  rule.has_severity = true;
  rule.severity = Severity::kCritical;
  rule.on_match.summary = {{"moved ", nullptr}, {"", Returns(cep::Value::String("12\x1b[0m"))}};
  FakeMatch match;
  match.Add(0, 3, R"({"type":"login"})")
      .Add(1, 12, R"({"type":"payment","amount":12000,"note":"a long text that goes on"})");
  CHECK(TextOf(rule, match) ==
        "2023-11-14T22:13:20.000Z  CRITICAL  takeover  account=A1  moved 12\\u001b[0m\n"
        "    login    2023-11-14T22:13:20.000Z  in.jsonl/3  {\"type\":\"login\"}\n"
        "    payment  2023-11-14T22:13:20.000Z  in.jsonl/12  "
        "{\"type\":\"payment\",\"amount\":12000,\"note\":\"a long…");
  CHECK(TextOf(rule, match, true).find("  \x1b[1;31mCRITICAL\x1b[0m  takeover") !=
        std::string::npos);
}

TEST_CASE("AppendAlertText: timeouts, descriptions, references", "[alerts][unit]") {
  RuleInfo rule = TakeoverRule();
  rule.description = "A login without a payment";
  rule.on_timeout.evidence = Evidence::kRefs;
  FakeMatch match(TextKey("A\n1"));
  match.Add(0, 3, R"({"type":"login"})").TimedOutAt(1700000060000);
  CHECK(TextOf(rule, match) ==
        "2023-11-14T22:14:20.000Z  MEDIUM    takeover (timed out)  account=A\\u000a1  "
        "A login without a payment\n"
        "    login  2023-11-14T22:13:20.000Z  in.jsonl/3");
}

TEST_CASE("AppendProblemText: one line, cut", "[alerts][unit]") {
  AlertContext context;
  context.text_width = 60;
  std::string out;
  AppendProblemText("late", "in.jsonl/7", "", "too late", "{\"a\":\n1}", context, &out);
  CHECK(out == "late    in.jsonl/7: too late  {\"a\":\\u000a1}");
  out.clear();
  AppendProblemText("error", "in.jsonl/7", "rule r: x > 1", "no such field", std::string(99, 'x'),
                    context, &out);
  CHECK(out == "error   in.jsonl/7: rule r: x > 1: no such field  xxxxxxxxx…");
}

}  // namespace vigil::alerts
