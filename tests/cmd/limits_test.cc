// What limits drop is counted, limit by limit, and told on the errors output; memory stays bounded.
#include <catch2/catch.hpp>

#include "tests/support/process.h"

namespace vigil {
namespace {

using testing::ProcessResult;
using testing::ReadFile;
using testing::RunProcess;
using testing::TempDir;
using testing::VigilBinary;

size_t CountOf(std::string_view what, std::string_view text) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

// Events of one key a second apart, their kinds given by letters.
std::string Events(std::string_view kinds) {
  std::string lines;
  for (size_t i = 0; i < kinds.size(); ++i) {
    lines += R"({"ts":)" + std::to_string(1000 * (i + 1)) + R"(,"user":"A","kind":")" + kinds[i] +
             "\"}\n";
  }
  return lines;
}

struct Case {
  const char* name;
  const char* pattern;
  const char* limits;
  std::string kinds;
  size_t matches;
  const char* told;     // in a record of the errors output
  const char* counted;  // in the summary
};

TEST_CASE("Limits: what they drop is counted and told", "[cmd]") {
  const std::string many_a(100, 'a');
  const Case cases[] = {
      {"the newest partial matches of a key go",
       "[{begin: a, where: kind == 'a'}, {followed_by: b, where: kind == 'b' && a.kind == 'a'}]",
       "partial_matches_per_key: 3", "aaaaab", 3,
       R"("expression":"limits.partial_matches_per_key","reason":"the limit of 3:)",
       "2 partial matches dropped (partial_matches_per_key)"},
      {"a partial match that grows too long goes",
       "[{begin: a, where: kind == 'a', times: '1..', repeat: strict}, "
       "{followed_by: b, where: kind == 'b' && size(a) > 0}]",
       "events_per_match: 2", "aaab", 3,
       R"("expression":"limits.events_per_match","reason":"the limit of 2:)",
       "partial matches dropped (events_per_match)"},
      {"further matches of an event go",
       "[{begin: a, where: kind == 'a'}, {followed_by: b, where: kind == 'b'}]",
       "matches_per_event: 2", "aaaaab", 2,
       R"("expression":"limits.matches_per_event","reason":"the limit of 2:)",
       "3 matches dropped (matches_per_event)"},
      {"the same where partial matches are grouped",
       "[{begin: a, where: kind == 'a'}, {followed_by: b, where: kind == 'b'}]",
       "matches_per_event: 2", many_a + "b", 2,
       R"("expression":"limits.matches_per_event","reason":"the limit of 2:)",
       "98 matches dropped (matches_per_event)"},
      {"grouped, too many accepted events",
       "[{begin: a, where: kind == 'a'}, {followed_by: b, where: kind == 'b'}]",
       "partial_matches_per_key: 50", many_a + "b", 50,
       R"("expression":"limits.partial_matches_per_key","reason":"the limit of 50:)",
       "50 partial matches dropped (partial_matches_per_key)"},
      {"grouped, paths that are too long",
       "[{begin: a, where: kind == 'a', times: '1..', repeat: any}, {followed_by: b, where: kind "
       "== "
       "'b'}]",
       "{events_per_match: 2, matches_per_event: 5000}", many_a + "b", 100,
       R"("expression":"limits.events_per_match","reason":"the limit of 2:)",
       "partial matches dropped (events_per_match)"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const TempDir dir;
    const std::string limits = c.limits[0] == '{' ? c.limits : "{" + std::string(c.limits) + "}";
    const std::string rules =
        dir.Write("rules.yaml", "version: 1\nrules:\n  - rule: r\n    key: user\n    pattern: " +
                                    std::string(c.pattern) + "\n    limits: " + limits + "\n");
    const std::string events = dir.Write("events.jsonl", Events(c.kinds));
    const std::string out = dir.Path("out.jsonl");
    const ProcessResult result =
        RunProcess({VigilBinary(), "replay", "-r", rules, "-o", out, events});
    CHECK(result.exit_code == 0);
    const std::string records = ReadFile(out);
    CHECK(CountOf(R"("kind":"match")", records) == c.matches);
    CHECK(records.find(c.told) != std::string::npos);
    CHECK(CountOf(R"("kind":"error")", records) <= 10);
    INFO(result.err);
    CHECK(result.err.find(c.counted) != std::string::npos);
  }
}

TEST_CASE("Limits: a loop over all subsets of 10,000 events stays small", "[cmd]") {
  const TempDir dir;
  const std::string rules =
      dir.Write("rules.yaml",
                "version: 1\nrules:\n  - rule: r\n    key: user\n    pattern: [{begin: a, where: "
                "kind == 'a', "
                "times: '1..', repeat: any}, {followed_by: b, where: kind == 'b'}]\n");
  const std::string events = dir.Write("events.jsonl", Events(std::string(10000, 'a') + "b"));
  const std::string stats = dir.Path("stats.json");
  const ProcessResult result = RunProcess(
      {VigilBinary(), "replay", "-r", rules, "-o", "/dev/null", "--stats", stats, events});
  CHECK(result.exit_code == 0);
  INFO(result.err);
  CHECK(result.err.find("matches dropped (matches_per_event)") != std::string::npos);
  const std::string text = ReadFile(stats);
  const size_t at = text.find("\"peak_rss_bytes\":");
  REQUIRE(at != std::string::npos);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  const size_t most = size_t{1} << 30;  // shadow memory, and freed memory that is kept apart
#else
  const size_t most = size_t{300} << 20;
#endif
  CHECK(std::stoull(text.substr(at + 17)) < most);
}

}  // namespace
}  // namespace vigil
