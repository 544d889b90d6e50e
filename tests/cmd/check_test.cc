// `vigil check` and `vigil schema rules`: what is printed where, and the exit codes.

#include "cmd/check.h"

#include <sstream>

#include <catch2/catch.hpp>

#include "cmd/schema_rules.h"

namespace vigil::cmd {
namespace {

constexpr const char* kSchema = "tests/corpus/rules/schema.yaml";
constexpr const char* kGood = "tests/corpus/rules/good/account_takeover.yaml";

struct Checked {
  int exit_code;
  std::string out;
  std::string err;
};

Checked Check(const CheckOptions& options) {
  std::ostringstream out;
  std::ostringstream err;
  const int exit_code = RunCheck(options, out, err);
  return {exit_code, out.str(), err.str()};
}

}  // namespace

TEST_CASE("Check: good rules", "[cmd][unit]") {
  const Checked checked = Check({.rules = {kGood}, .schema_file = kSchema});
  CHECK(checked.exit_code == 0);
  CHECK(checked.out.empty());
  CHECK(checked.err == "1 rule, 0 errors, 0 warnings\n");
}

TEST_CASE("Check: without a schema names are fields of any type, and that is said", "[cmd][unit]") {
  const Checked checked = Check({.rules = {kGood}});
  CHECK(checked.exit_code == 0);
  CHECK(checked.err ==
        "no schema is given: every identifier is taken as a field of any type\n"
        "1 rule, 0 errors, 0 warnings\n");
}

TEST_CASE("Check: errors are counted and change the exit code, warnings do not", "[cmd][unit]") {
  const Checked bad =
      Check({.rules = {"tests/corpus/rules/broken/greedy.yaml", kGood}, .schema_file = kSchema});
  CHECK(bad.exit_code == 1);
  CHECK_THAT(bad.err, Catch::StartsWith("error[V0305]: `greedy` needs `times`\n --> tests/"));
  CHECK_THAT(bad.err, Catch::EndsWith("\n2 rules, 4 errors, 0 warnings\n"));
  const Checked warned =
      Check({.rules = {"tests/corpus/rules/broken/warnings.yaml"}, .schema_file = kSchema});
  CHECK(warned.exit_code == 0);
  CHECK_THAT(warned.err, Catch::EndsWith("\n1 rule, 0 errors, 4 warnings\n"));
}

TEST_CASE("Check: JSON goes to standard output", "[cmd][unit]") {
  const Checked checked = Check(
      {.rules = {"tests/corpus/rules/broken/greedy.yaml"}, .schema_file = kSchema, .json = true});
  CHECK(checked.exit_code == 1);
  CHECK_THAT(checked.out, Catch::StartsWith("[\n  {\"level\": \"error\", \"code\": \"V0305\""));
  CHECK(checked.err == "1 rule, 4 errors, 0 warnings\n");
}

TEST_CASE("Check: a broken schema is a finding, a missing path is usage", "[cmd][unit]") {
  const Checked broken = Check({.rules = {kGood}, .schema_file = kGood});
  CHECK(broken.exit_code == 1);
  CHECK_THAT(broken.err, Catch::Contains("in a schema file"));
  CHECK(Check({.rules = {"no/such/rules"}}).exit_code == 2);
  CHECK(Check({.rules = {kGood}, .schema_file = "no/such/schema"}).exit_code == 2);
  CHECK(Check({}).exit_code == 2);
}

TEST_CASE("Schema rules: prints the JSON Schema", "[cmd][unit]") {
  std::ostringstream out;
  CHECK(RunSchemaRules(out) == 0);
  CHECK_THAT(out.str(), Catch::Contains("https://json-schema.org/draft/2020-12/schema"));
}

}  // namespace vigil::cmd
