// CompilePattern: the automaton of small patterns, as text.
#include "patterns/compile.h"

#include <catch2/catch.hpp>

namespace vigil::patterns {
namespace {

Stage Make(std::string name, Contiguity contiguity, uint32_t index) {
  Stage stage;
  stage.name = std::move(name);
  stage.contiguity = contiguity;
  stage.index = index;
  return stage;
}

std::string DumpOf(const Pattern& pattern) {
  const StatusOr<Program> program = CompilePattern(pattern);
  REQUIRE(program.ok());
  return program->Dump();
}

TEST_CASE("CompilePattern: next has no ignore edge, followed_by ignores what does not fit",
          "[patterns][unit]") {
  Pattern pattern;
  pattern.stages = {Make("a", Contiguity::kBegin, 0), Make("b", Contiguity::kNext, 1),
                    Make("c", Contiguity::kFollowedBy, 2)};
  CHECK(DumpOf(pattern) ==
        "$end (final)\n"
        "c\n"
        "  take -> $end if where2\n"
        "  ignore -> c if !where2\n"
        "b\n"
        "  take -> c if where1\n"
        "a (start)\n"
        "  take -> b if where0\n");
}

TEST_CASE("CompilePattern: followed_by_any always ignores, too", "[patterns][unit]") {
  Pattern pattern;
  pattern.stages = {Make("a", Contiguity::kBegin, 0), Make("b", Contiguity::kFollowedByAny, 1)};
  CHECK(DumpOf(pattern) ==
        "$end (final)\n"
        "b\n"
        "  take -> $end if where1\n"
        "  ignore -> b\n"
        "a (start)\n"
        "  take -> b if where0\n");
}

TEST_CASE("CompilePattern: a negation in the middle is a way to the stop state",
          "[patterns][unit]") {
  Pattern pattern;
  pattern.stages = {Make("a", Contiguity::kBegin, 0), Make("no", Contiguity::kNotFollowedBy, 1),
                    Make("b", Contiguity::kFollowedBy, 2)};
  CHECK(DumpOf(pattern) ==
        "$end (final)\n"
        "b\n"
        "  take -> $end if where2\n"
        "  ignore -> b if !where2\n"
        "  proceed -> no if where1\n"
        "no (stop)\n"
        "  take -> no if where1\n"
        "a (start)\n"
        "  take -> b if where0\n");
}

TEST_CASE("CompilePattern: a negation at the end waits for its time", "[patterns][unit]") {
  Pattern pattern;
  pattern.within_ms = 5000;
  pattern.stages = {Make("a", Contiguity::kBegin, 0), Make("no", Contiguity::kNotFollowedBy, 1)};
  CHECK(DumpOf(pattern) ==
        "$end (final)\n"
        "no (pending)\n"
        "  proceed -> no:0 if where1\n"
        "  ignore -> no if !where1\n"
        "no:0 (stop)\n"
        "  take -> no:0 if where1\n"
        "a (start)\n"
        "  take -> no if where0\n");
}

TEST_CASE("CompilePattern: a loop has a twin that waits without leaving", "[patterns][unit]") {
  Pattern pattern;
  pattern.stages = {Make("a", Contiguity::kBegin, 0), Make("b", Contiguity::kFollowedBy, 1)};
  pattern.stages[0].has_times = true;
  pattern.stages[0].times_min = 1;
  pattern.stages[0].times_max = kUnbounded;
  CHECK(DumpOf(pattern) ==
        "$end (final)\n"
        "b\n"
        "  take -> $end if where1\n"
        "  ignore -> b if !where1\n"
        "a\n"
        "  proceed -> b\n"
        "  take -> a if where0\n"
        "  ignore -> a:0 if !where0\n"
        "a:0\n"
        "  take -> a if where0\n"
        "  ignore -> a:0 if !where0\n"
        "a:1 (start)\n"
        "  take -> a if where0\n");
}

TEST_CASE("CompilePattern: the number of states is bounded", "[patterns][unit]") {
  Pattern pattern;
  Stage inner = Make("a", Contiguity::kBegin, 0);
  inner.has_times = true;
  inner.times_min = inner.times_max = 10000;
  Stage group = Make("g", Contiguity::kBegin, 0);
  group.group = {inner};
  group.has_times = true;
  group.times_min = group.times_max = 10000;
  pattern.stages = {group};
  CHECK(CompilePattern(pattern).status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("CompilePattern: knows when unmatched events change nothing", "[patterns][unit]") {
  Pattern relaxed;
  relaxed.stages = {Make("a", Contiguity::kBegin, 0), Make("b", Contiguity::kFollowedBy, 1)};
  CHECK(CompilePattern(relaxed)->ignores_unmatched);
  Pattern strict;
  strict.stages = {Make("a", Contiguity::kBegin, 0), Make("b", Contiguity::kNext, 1)};
  CHECK_FALSE(CompilePattern(strict)->ignores_unmatched);
}

}  // namespace
}  // namespace vigil::patterns
